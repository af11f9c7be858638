// A producer in another language, written from the JSON Schema alone: it needs Node 20 and nothing else.
//
//   pdl schema data.collected > collected.json
//   pdl ingest-key publish --out ingest-key.json
//   node examples/producers/publish.mjs collected.json ingest-key.json | pdl ingest -
//
// Each line that it prints is one CloudEvent (structured mode): with a Kafka client it is the value of a record. The
// first is plain, the second and third are the same event, sealed twice: HPKE (RFC 9180), base mode.
import { createCipheriv, createHmac, createPublicKey, diffieHellman, generateKeyPairSync, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";

const [schemaFile, keyFile] = process.argv.slice(2);
const schema = JSON.parse(readFileSync(schemaFile, "utf8"));
const ingestKey = JSON.parse(readFileSync(keyFile, "utf8"));

// --- what the schema asks for

function check(value, part, path = "$") {
  if (part.$ref) return check(value, schema.$defs[part.$ref.split("/").pop()], path);
  if (part.anyOf && !part.properties) return part.anyOf.some((one) => accepts(value, one)) || fail(path);
  if ("const" in part && value !== part.const) fail(path);
  if (part.enum && !part.enum.includes(value)) fail(path);
  if (part.type === "string" && (typeof value !== "string" || value.length < (part.minLength ?? 0))) fail(path);
  if (part.type === "object") {
    for (const name of part.required ?? []) if (!(name in value)) fail(`${path}.${name}`);
    for (const [name, item] of Object.entries(value)) {
      if (part.properties?.[name]) check(item, part.properties[name], `${path}.${name}`);
    }
  }
  return true;
}

function accepts(value, part) {
  try {
    return part.type === "null" ? value === null : check(value, part);
  } catch {
    return false;
  }
}

function fail(path) {
  throw new Error(`${path} does not keep to ${schema.title}`); // Never the value.
}

// --- sealing: X25519, HKDF-SHA256, AES-256-GCM

const KEM = Buffer.from("KEM\x00\x20", "latin1");
const SUITE = Buffer.from("HPKE\x00\x20\x00\x01\x00\x02", "latin1");
const NOTHING = Buffer.alloc(0);
const hmac = (key, ...parts) => createHmac("sha256", key).update(Buffer.concat(parts)).digest();
const label = (suite, text) => Buffer.concat([Buffer.from("HPKE-v1"), suite, Buffer.from(text)]);
const extract = (salt, text, material, suite) => hmac(salt, label(suite, text), material);
const expand = (key, text, info, size, suite) =>
  hmac(key, Buffer.from([0, size]), label(suite, text), info, Buffer.from([1])).subarray(0, size);

function seal(plaintext, aad) {
  const x = Buffer.from(ingestKey.public, "base64");
  const recipient = createPublicKey({ key: { kty: "OKP", crv: "X25519", x: x.toString("base64url") }, format: "jwk" });
  const ephemeral = generateKeyPairSync("x25519");
  const enc = Buffer.from(ephemeral.publicKey.export({ format: "jwk" }).x, "base64url");
  const exchanged = diffieHellman({ privateKey: ephemeral.privateKey, publicKey: recipient });
  const shared = expand(extract(NOTHING, "eae_prk", exchanged, KEM), "shared_secret", Buffer.concat([enc, x]), 32, KEM);
  const context = Buffer.concat([
    Buffer.from([0]),
    extract(NOTHING, "psk_id_hash", NOTHING, SUITE),
    extract(NOTHING, "info_hash", NOTHING, SUITE),
  ]);
  const secret = extract(shared, "secret", NOTHING, SUITE);
  const cipher = createCipheriv(
    "aes-256-gcm",
    expand(secret, "key", context, 32, SUITE),
    expand(secret, "base_nonce", context, 12, SUITE),
  );
  cipher.setAAD(Buffer.from(aad));
  return Buffer.concat([enc, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

function sealed(event) {
  const { data, datacontenttype, ...attributes } = event;
  const aad = ["specversion", "id", "source", "type", "time"].map((name) => event[name]).join("|");
  return {
    ...attributes,
    datacontenttype: "application/vnd.pdl.sealed",
    pdlkeyid: ingestKey.pdlkeyid,
    data_base64: seal(Buffer.from(JSON.stringify(data)), aad).toString("base64"),
  };
}

// --- two events

function collected(value) {
  const event = {
    specversion: "1.0",
    id: randomUUID(),
    source: "https://shop.example/node",
    type: schema.title,
    time: "2026-03-01T12:00:00+01:00",
    datacontenttype: "application/json",
    data: {
      organisation: "klantinfocus",
      activity: "forms",
      subject: { scheme: "email", value, class: "enquirer" },
      values: { email: value },
      origin: "subject",
      system: "crm",
    },
  };
  check(event, schema);
  return event;
}

const second = collected("grace@example.org");
for (const event of [collected("ada@example.org"), sealed(second), sealed(second)]) console.log(JSON.stringify(event));
