"""Whatever is asked of them in whichever order, the store on disk answers as the one in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from ledger.keys import Destroyed, Erased, Identifier, Key, Scope
from ledger.keys.memory import MemoryKeyStore
from ledger.keys.postgres import open_key_store_on_postgres
from ledger.keys.sqlite import open_key_store
from ledger.keys.store import WrappedKeyStore
from ledger.postgres import Address

NAMES = st.lists(
    st.builds(Identifier, st.sampled_from(["acme", "umbrella"]), st.just("email"), st.sampled_from("abc")), max_size=4
)
DATASETS = st.lists(
    st.tuples(st.sampled_from(["", "c1"]), st.sampled_from(["forms/forms", "crm/crm", "identity"])),
    min_size=1,
    max_size=3,
)


class BothStores(RuleBasedStateMachine):
    people = Bundle("people")

    def opened(self, *, create: bool) -> WrappedKeyStore:
        return open_key_store(self.place, ledger_id="one", create=create)

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.place = Path(self.folder.name)
        self.memory = MemoryKeyStore("one")
        self.disk = self.opened(create=True)
        self.other: dict[str, str] = {}
        self.keys: dict[str, str] = {}
        self.cases = 0

    def same(self, kind: dict[str, str], mine: str, theirs: str) -> None:
        assert kind.setdefault(mine, theirs) == theirs
        assert len(set(kind.values())) == len(kind)

    @rule(target=people, names=NAMES, create=st.booleans())
    def resolve(self, names: list[Identifier], create: bool) -> tuple[tuple[str, str], ...]:
        made = names if create else []
        return self.compared(self.memory.resolve(names, create=made), self.disk.resolve(names, create=made))

    @rule(target=people, names=NAMES)
    def readmit(self, names: list[Identifier]) -> tuple[tuple[str, str], ...]:
        return self.compared(self.memory.readmit(names), self.disk.readmit(names))

    @rule(names=NAMES)
    def ask_who_returned(self, names: list[Identifier]) -> None:
        assert self.memory.returned(names) == self.disk.returned(names)

    def compared(self, mine: dict[Identifier, object], theirs: dict[Identifier, object]) -> tuple[tuple[str, str], ...]:
        assert mine.keys() == theirs.keys()
        met = []
        for name, person in mine.items():
            other = theirs[name]
            if isinstance(person, str):
                assert isinstance(other, str)
                self.same(self.other, person, other)
                met.append((name.organisation, person))
            else:
                assert person == other
        return tuple(met)

    @rule(met=people, places=DATASETS, renew=st.booleans())
    def obtain(self, met: tuple[tuple[str, str], ...], places: list[tuple[str, str]], renew: bool) -> None:
        scopes = self.scopes(met, places)
        mine = self.memory.obtain(scopes, renew=scopes if renew else ())
        theirs = self.disk.obtain(self.theirs(scopes), renew=self.theirs(scopes) if renew else ())
        assert len(mine) == len(theirs)
        for scope, key in mine.items():
            other = theirs[self.their(scope)]
            if isinstance(key, Key):
                assert isinstance(other, Key)
                self.same(self.keys, key.id, other.id)
            else:
                assert other == Erased(self.keys[key.key_id] if key.key_id else None, key.case)

    @rule(met=people, places=DATASETS, whole=st.booleans(), again=st.booleans())
    def destroy(
        self, met: tuple[tuple[str, str], ...], places: list[tuple[str, str]], whole: bool, again: bool
    ) -> None:
        self.cases += 0 if again else 1
        case, people, scopes = (
            f"case-{self.cases}",
            [person for _, person in met] if whole else [],
            self.scopes(met, places),
        )
        mine = self.memory.destroy(scopes, people=people, case=case, generation=self.cases)
        theirs = self.disk.destroy(
            self.theirs(scopes), people=[self.other[person] for person in people], case=case, generation=self.cases
        )
        key_ids, gone = sorted(self.keys[i] for i in mine.key_ids), sorted(self.other[p] for p in mine.people)
        assert theirs == Destroyed(key_ids, gone, pending=False)

    @rule()
    def come_back_after_a_restart(self) -> None:
        self.disk.close()
        self.disk = self.opened(create=False)

    @rule(generation=st.integers(0, 3))
    def forget(self, generation: int) -> None:
        self.disk.forget(generation)

    @invariant()
    def agree(self) -> None:
        if not hasattr(self, "disk"):
            return
        assert {name: count for name, count in self.memory.people().items() if count} == {
            name: count for name, count in self.disk.people().items() if count
        }
        for mine, theirs in self.other.items():
            assert [(self.their(scope), self.keys[i]) for scope, i in self.memory.scopes_of(mine)] == sorted(
                self.disk.scopes_of(theirs)
            )
        opened, others = self.memory.open(self.keys), self.disk.open(self.keys.values())
        for mine, theirs in self.keys.items():
            key, other = opened[mine], others[theirs]
            assert (isinstance(key, Key) and isinstance(other, Key)) or (
                key[1:] == other[1:] and other.key_id == theirs
            )

    def scopes(self, met: Iterable[tuple[str, str]], places: list[tuple[str, str]]) -> list[Scope]:
        return [
            Scope(organisation, client, person, dataset) for organisation, person in met for client, dataset in places
        ]

    def their(self, scope: Scope) -> Scope:
        return scope._replace(person=self.other[scope.person])

    def theirs(self, scopes: list[Scope]) -> list[Scope]:
        return [self.their(scope) for scope in scopes]

    def teardown(self) -> None:
        if hasattr(self, "disk"):
            self.disk.close()
            self.folder.cleanup()


TestBothStores = BothStores.TestCase
TestBothStores.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


class BothStoresOnPostgres(BothStores):
    make_address: Callable[[], Address]

    def opened(self, *, create: bool) -> WrappedKeyStore:
        if create:
            self.address = BothStoresOnPostgres.make_address()
        return open_key_store_on_postgres(self.place, self.address, ledger_id="one", create=create)


def test_both_stores_on_postgres(make_address: Callable[[], Address]) -> None:
    BothStoresOnPostgres.make_address = staticmethod(make_address)
    run_state_machine_as_test(
        BothStoresOnPostgres, settings=settings(max_examples=10, stateful_step_count=20, deadline=None)
    )
