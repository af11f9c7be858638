"""What every key store promises; each backend runs all of it."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.domain.errors import KeyMissing
from ledger.keys import Erased, Fence, Identifier, Key, KeyStore, Order, Scope, expand
from ledger.keys.memory import MemoryKeyStore
from ledger.keys.postgres import SCHEMA, open_key_store_on_postgres
from ledger.keys.sqlite import open_key_store
from ledger.postgres import Address
from tests.softhsm import token_roots

ADA = Identifier("acme", "email", "ada@example.org")
BEN = Identifier("acme", "email", "ben@example.org")


@pytest.fixture(params=["memory", "sqlite", "sqlite and token", "postgres"])
def store(request, tmp_path: Path):
    if request.param == "postgres":
        address = Address(request.getfixturevalue("postgres_url"), SCHEMA)
        opened: KeyStore = open_key_store_on_postgres(tmp_path, address, ledger_id="a ledger", create=True)
    else:
        opened = _store(request.param, tmp_path)
    yield opened
    opened.close()


def _store(kind: str, place: Path) -> KeyStore:
    if kind == "memory":
        return MemoryKeyStore("a ledger")
    roots = token_roots() if kind == "sqlite and token" else None
    return open_key_store(place, ledger_id="a ledger", create=True, roots=roots)


def person_of(store: KeyStore, identifier: Identifier) -> str:
    person = store.resolve([identifier], create=[identifier])[identifier]
    assert isinstance(person, str)
    return person


def key_of(store: KeyStore, scope: Scope) -> Key:
    key = store.obtain([scope])[scope]
    assert isinstance(key, Key)
    return key


def scope_of(person: str, dataset: str = "forms/forms", client: str = "") -> Scope:
    return Scope("acme", client, person, dataset)


def test_a_person_is_met_once_and_stays_the_same(store: KeyStore) -> None:
    assert store.resolve([ADA]) == {ADA: None}
    person = person_of(store, ADA)
    assert len(bytes.fromhex(person)) == 16
    assert store.resolve([ADA, BEN], create=[BEN])[ADA] == person == person_of(store, ADA)
    assert store.people() == {"acme": 2}


def test_the_same_identifier_is_another_person_in_another_organisation(store: KeyStore) -> None:
    elsewhere = ADA._replace(organisation="umbrella")
    assert person_of(store, ADA) != person_of(store, elsewhere)


def test_scheme_and_value_are_not_run_together(store: KeyStore) -> None:
    assert person_of(store, Identifier("acme", "a", "bc")) != person_of(store, Identifier("acme", "ab", "c"))


def test_each_scope_has_its_own_key(store: KeyStore) -> None:
    person = person_of(store, ADA)
    scopes = [
        scope_of(person),
        scope_of(person, "crm/crm"),
        scope_of(person, client="c1"),
        Scope("acme", "", "", "organisation"),
    ]
    keys = store.obtain(scopes)
    assert len({key.id for key in keys.values() if isinstance(key, Key)}) == 4
    again = store.obtain(scopes)
    assert [again[scope].id for scope in scopes] == [keys[scope].id for scope in scopes]
    assert store.scopes_of(person) == sorted((scope, keys[scope].id) for scope in scopes[:3])


def test_a_key_opens_what_it_sealed(store: KeyStore) -> None:
    key, nonce = key_of(store, scope_of(person_of(store, ADA))), os.urandom(12)
    sealed = key.aead.encrypt(nonce, b"secret", b"header")
    read = store.open([key.id])[key.id]
    assert isinstance(read, Key)
    assert read.aead.decrypt(nonce, sealed, b"header") == b"secret"
    assert read.mac(b"content") == key.mac(b"content") != key.mac(b"other")
    assert len(key.mac(b"")) == 16


def test_a_key_is_never_shown(store: KeyStore) -> None:
    key = key_of(store, scope_of(person_of(store, ADA)))
    assert repr(key) == f"Key({key.id})"


def test_an_unknown_key_is_missing_and_not_erased(store: KeyStore) -> None:
    with pytest.raises(KeyMissing, match="00ff"):
        store.open(["00ff" * 8])


def test_a_destroyed_key_is_erased_and_never_made_again(store: KeyStore) -> None:
    person = person_of(store, ADA)
    kept, gone = key_of(store, scope_of(person, "crm/crm")), key_of(store, scope_of(person))
    destroyed = store.destroy([scope_of(person)], case="case-1", generation=1)
    assert destroyed == ([gone.id], [], False)
    assert store.open([gone.id, kept.id]) == {
        gone.id: Erased(gone.id, "case-1"),
        kept.id: store.open([kept.id])[kept.id],
    }
    assert store.obtain([scope_of(person)]) == {scope_of(person): Erased(gone.id, "case-1")}
    assert key_of(store, scope_of(person, "crm/crm")).id == kept.id
    assert store.resolve([ADA]) == {ADA: person}


def test_a_destroyed_scope_lives_again_only_when_told(store: KeyStore) -> None:
    person = person_of(store, ADA)
    scope = scope_of(person)
    key_of(store, scope_of(person, "crm/crm"))
    old = key_of(store, scope)
    store.destroy([scope], case="case-1", generation=1)
    new = store.obtain([scope], renew=[scope])[scope]
    assert isinstance(new, Key)
    assert new.id != old.id
    assert key_of(store, scope).id == new.id
    assert store.open([old.id]) == {old.id: Erased(old.id, "case-1")}
    again = store.destroy([scope], case="case-2", generation=2)
    assert again.key_ids == [new.id]
    assert store.obtain([scope]) == {scope: Erased(new.id, "case-2")}


def test_destroying_twice_is_destroying_once(store: KeyStore) -> None:
    person = person_of(store, ADA)
    key = key_of(store, scope_of(person))
    first = store.destroy([scope_of(person)], case="case-1", generation=1)
    assert first == store.destroy([scope_of(person)], case="case-1", generation=1) == ([key.id], [person], False)
    assert store.destroy([scope_of(person)], case="case-2", generation=2) == ([], [], False)
    assert store.open([key.id]) == {key.id: Erased(key.id, "case-1")}
    assert store.resolve([ADA]) == {ADA: Fence(1)}


def test_with_the_last_key_goes_the_way_to_the_person(store: KeyStore) -> None:
    person = person_of(store, ADA)
    key_of(store, scope_of(person))
    store.destroy([scope_of(person)], case="case-1", generation=7)
    assert store.resolve([ADA], create=[ADA]) == {ADA: Fence(7)}
    assert store.scopes_of(person) == []
    assert store.people().get("acme", 0) == 0


def test_no_key_is_ever_made_for_a_person_who_is_gone(store: KeyStore) -> None:
    person = person_of(store, ADA)
    key_of(store, scope_of(person))
    store.destroy([scope_of(person)], case="case-1", generation=1)
    never = scope_of(person, "crm/crm")
    assert store.obtain([never], renew=[never]) == {never: Erased(None, "case-1")}


def test_identity_goes_with_the_last_other_dataset_of_its_client(store: KeyStore) -> None:
    person = person_of(store, ADA)
    scopes = [
        scope_of(person),
        scope_of(person, "identity"),
        scope_of(person, "crm/crm", "c1"),
        scope_of(person, "identity", "c1"),
    ]
    keys = store.obtain(scopes)
    first = store.destroy([scopes[0]], case="case-1", generation=1)
    assert first == (sorted(keys[scope].id for scope in scopes[:2]), [], False)
    second = store.destroy([scopes[2]], case="case-2", generation=2)
    assert second == (sorted(keys[scope].id for scope in scopes[2:]), [person], False)


def test_a_person_without_any_key_can_be_erased(store: KeyStore) -> None:
    person = person_of(store, ADA)
    assert store.destroy([], people=[person], case="case-1", generation=3) == ([], [person], False)
    assert store.resolve([ADA], create=[ADA]) == {ADA: Fence(3)}


def test_erasing_a_person_takes_everything_and_nobody_else(store: KeyStore) -> None:
    ada, ben = person_of(store, ADA), person_of(store, BEN)
    own = [scope_of(ada), scope_of(ada, "crm/crm", "c1"), scope_of(ada, "identity")]
    keys, other = store.obtain(own), key_of(store, scope_of(ben))
    destroyed = store.destroy([], people=[ada], case="case-1", generation=1)
    assert destroyed == (sorted(key.id for key in keys.values()), [ada], False)
    assert key_of(store, scope_of(ben)).id == other.id
    assert store.resolve([BEN]) == {BEN: ben}


def test_who_comes_back_is_somebody_new(store: KeyStore) -> None:
    person = person_of(store, ADA)
    key_of(store, scope_of(person))
    assert store.returned([ADA]) == {}
    store.destroy([scope_of(person)], case="case-1", generation=4)
    assert store.returned([ADA]) == {}
    back = store.readmit([ADA])[ADA]
    assert back != person
    assert store.readmit([ADA, BEN])[ADA] == back == person_of(store, ADA)
    assert store.returned([ADA, BEN]) == store.returned([ADA]) == {ADA: Fence(4)}
    assert isinstance(store.obtain([scope_of(back)])[scope_of(back)], Key)
    store.destroy([], people=[back], case="case-2", generation=9)
    assert store.resolve([ADA]) == {ADA: Fence(9)}


def test_nothing_cached_outlives_a_new_generation(store: KeyStore) -> None:
    person = person_of(store, ADA)
    key = key_of(store, scope_of(person))
    store.forget(1)
    store.forget(1)
    store.forget(2)
    assert person_of(store, ADA) == person
    assert key_of(store, scope_of(person)).id == key.id


NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def test_an_erasure_is_irreversible_once_its_epoch_is_closed(store: KeyStore) -> None:
    ada, ben = person_of(store, ADA), person_of(store, BEN)
    gone, kept = key_of(store, scope_of(ada)), key_of(store, scope_of(ben))
    assert store.finality(["case-1"]) == {}
    store.destroy([scope_of(ada)], case="case-1", generation=1, at=NOON)
    stopped = store.finality(["case-1", "case-2"])
    assert list(stopped) == ["case-1"]
    assert (stopped["case-1"].stopped, stopped["case-1"].irreversible) == (NOON, None)
    status = store.status()
    assert (status.pending, status.since, status.mirror, status.last) == (("case-1",), NOON, None, None)
    (closed,) = store.close_epoch(at=NOON + QUARTER)
    assert (closed.epoch, closed.cases, closed.at, closed.mirrored) == (
        status.epoch,
        ("case-1",),
        NOON + QUARTER,
        False,
    )
    assert closed.root == status.root
    final = store.finality(["case-1"])["case-1"]
    assert (final.epoch, final.stopped, final.irreversible) == (status.epoch, NOON, NOON + QUARTER)
    after = store.status()
    assert (after.epoch, after.pending, after.since, after.last) == (status.epoch + 1, (), None, closed)
    assert not after.unfinished
    assert store.open([gone.id, kept.id])[gone.id] == Erased(gone.id, "case-1")
    assert key_of(store, scope_of(ben)).id == kept.id
    assert store.resolve([ADA, BEN]) == {ADA: Fence(1), BEN: ben}


def test_an_epoch_in_which_nothing_was_destroyed_goes_on_unless_told(store: KeyStore) -> None:
    person, seed = person_of(store, ADA), store.signing_seed()
    key, token = key_of(store, scope_of(person)), store.token("acme", "order-77")
    assert store.close_epoch(at=NOON) == []
    (first,) = store.close_epoch(at=NOON, always=True)
    (second,) = store.close_epoch(at=NOON, every_bucket=True)
    assert (first.cases, second.cases, second.epoch) == ((), (), first.epoch + 1)
    store.forget(99)
    assert key_of(store, scope_of(person)).id == key.id
    assert (store.signing_seed(), store.token("acme", "order-77")) == (seed, token)


def test_an_epoch_is_due_some_time_after_its_first_erasure(store: KeyStore) -> None:
    person = person_of(store, ADA)
    store.obtain([scope_of(person), scope_of(person, "crm/crm")])
    assert store.close_due(NOON, QUARTER) == []
    store.destroy([scope_of(person)], case="case-1", generation=1, at=NOON)
    store.destroy([scope_of(person, "crm/crm")], case="case-2", generation=2, at=NOON + QUARTER / 2)
    assert store.close_due(NOON + QUARTER - timedelta(seconds=1), QUARTER) == []
    (closed,) = store.close_due(NOON + QUARTER, QUARTER)
    assert closed.cases == ("case-1", "case-2")
    assert store.close_due(NOON + 9 * QUARTER, QUARTER) == []


def test_a_case_that_goes_on_in_a_later_epoch_is_final_with_that(store: KeyStore) -> None:
    person = person_of(store, ADA)
    store.obtain([scope_of(person), scope_of(person, "crm/crm")])
    store.destroy([scope_of(person)], case="case-1", generation=1, at=NOON)
    store.close_epoch(at=NOON)
    store.destroy([scope_of(person, "crm/crm")], case="case-1", generation=1, at=NOON + QUARTER)
    assert store.finality(["case-1"])["case-1"].irreversible is None
    (closed,) = store.close_epoch(at=NOON + QUARTER)
    assert closed.cases == ("case-1",)
    assert store.finality(["case-1"])["case-1"].irreversible == NOON + QUARTER


def test_many_cases_at_once_are_each_what_they_would_be_alone(store: KeyStore) -> None:
    ada, ben = person_of(store, ADA), person_of(store, BEN)
    scopes = [scope_of(ada), scope_of(ada, "crm/crm"), scope_of(ada, "identity"), scope_of(ben)]
    keys = store.obtain(scopes)
    ids = [keys[scope].id for scope in scopes]
    orders = [
        Order("case-1", [scopes[0]]),
        Order("case-2", [scopes[1]]),
        Order("case-3", [], [ben]),
        Order("case-4", [scopes[0]]),
    ]
    destroyed = store.destroy_each(orders, generation=5, at=NOON)
    assert destroyed == {
        "case-1": ([ids[0]], [], False),
        "case-2": (sorted(ids[1:3]), [ada], False),
        "case-3": ([ids[3]], [ben], False),
        "case-4": ([], [], False),
    }
    assert store.destroy_each(orders, generation=5, at=NOON) == destroyed
    assert store.resolve([ADA, BEN]) == {ADA: Fence(5), BEN: Fence(5)}
    assert store.status().pending == ("case-1", "case-2", "case-3")


def test_what_was_seen_of_the_log_is_remembered(store: KeyStore) -> None:
    assert store.log_seen() == 0
    store.saw_log(41)
    store.saw_log(42)
    store.saw_log(40)
    assert store.log_seen() == 42, "an end that was lost stays known"


def test_tokens_are_equal_for_equal_ids_of_one_organisation_only(store: KeyStore) -> None:
    token = store.token("acme", "order-77")
    assert token == store.token("acme", "order-77")
    assert len(bytes.fromhex(token)) == 8
    assert len({token, store.token("acme", "order-78"), store.token("umbrella", "order-77")}) == 3


def test_the_signing_seed_stays_the_same(store: KeyStore) -> None:
    assert store.signing_seed() == store.signing_seed()
    assert len(store.signing_seed()) == 32


def test_key_ids_are_hkdf_expanded_from_the_key() -> None:
    secret = bytes(range(32))
    expanded = HKDFExpand(hashes.SHA256(), 32, b"pdl/1 key id and content mac").derive(secret)
    assert Key(secret).id == expanded[:16].hex() == "5e4bbb6d2ec13ebf559361ce34e42fac"
    assert expand(secret, b"pdl/1 key id and content mac") == expanded


names = st.text("abc/-", min_size=1, max_size=4)
scopes = st.builds(scope_of, st.sampled_from(["p1", "p2", "p3", ""]), names, st.sampled_from(["", "c1"]))


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.tuples(st.lists(scopes, max_size=6), st.booleans()), max_size=6))
def test_obtain_is_stable_however_often_and_in_whichever_company_a_scope_is_asked(
    kind: str, tmp_path_factory: pytest.TempPathFactory, batches: list[tuple[list[Scope], bool]]
) -> None:
    store = _store(kind, tmp_path_factory.mktemp("keys"))
    seen: dict[Scope, str] = {}
    for number, (batch, dropped) in enumerate(batches):
        for scope, key in store.obtain(batch).items():
            assert isinstance(key, Key)
            assert seen.setdefault(scope, key.id) == key.id
        if dropped:
            store.forget(number)
    assert len(set(seen.values())) == len(seen)
    assert {key_id: key.id for key_id, key in store.open(seen.values()).items() if isinstance(key, Key)} == {
        i: i for i in seen.values()
    }
    store.close()


def test_a_secret_is_kept_under_its_name_until_it_is_dropped(store: KeyStore) -> None:
    first, second = os.urandom(32), os.urandom(32)
    store.keep("ingest/1", first)
    store.keep("ingest/2", second)
    assert store.kept(["ingest/1", "ingest/2", "ingest/3"]) == {"ingest/1": first, "ingest/2": second}
    assert not store.drop("ingest/1")
    assert store.kept(["ingest/1", "ingest/2"]) == {"ingest/2": second}
    store.drop("never kept")
    assert len(store.status().pending) == 1
    assert store.close_due(NOON, QUARTER)[0].at == NOON, "due at once: an older copy opens it until the epoch closes"
    assert store.status().pending == ()


def test_a_kept_secret_stands_nowhere_in_the_clear_and_is_overwritten_when_it_goes(tmp_path: Path) -> None:
    with_it, secret = open_key_store(tmp_path, ledger_id="a ledger", create=True), os.urandom(32)
    with_it.keep("ingest/1", secret)
    wrapped = with_it._vault.ask("secret", "kept/ingest/1")[0][0]
    with_it.drop("ingest/1")
    with_it.close()
    stored = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert secret not in stored
    assert wrapped not in stored
