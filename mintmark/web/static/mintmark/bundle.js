// Reads a bundle as mintmark/core/bundles.py does (docs/bundle-format.md), step by step and with the same codes: size,
// envelope, every signature over the raw payload, then what was signed. Nothing here touches the page or the network.

const STATEMENT = "https://in-toto.io/Statement/v1";
const FAMILY = "urn:mintmark:prompt-bundle";
const PREDICATE = `${FAMILY}:v1`;
const PAYLOAD_TYPE = "application/vnd.in-toto+json";
const MAJOR = "1";
const MILLION = 1_000_000;
const MOST_PROMPTS = 10_000;
const MOST_SIGNATURES = 32;
const CHUNK = 1 << 20;
export const LIMITS = { size: 16 << 20, depth: 16, values: 600_000 };

// The points of small order, in every encoding (the sign apart): anybody can sign under them.
const SMALL_ORDER = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]);

export class Refused extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

// {bundle, keyIds, payload}: a bundle whose every signature holds, and who signed it. Else a Refused.
export async function opened(raw, { limits = LIMITS, mostPrompts = MOST_PROMPTS } = {}) {
  checkSize(raw, limits);
  if (raw.some((byte) => byte > 0x7f)) {
    decoded(raw);
    throw new Refused("not_canonical", "A bundle is written in ASCII; this file is not.");
  }
  const envelope = enveloped(raw, { size: limits.size, depth: 4, values: 1_000 });
  if (!envelope.isCanonical) {
    throw new Refused(
      "not_canonical",
      "The bytes of the file are not the original ones: a bundle is canonical JSON (RFC 8785) in standard base64, without a final line end. Use the original file of the issuer.",
    );
  }
  if (envelope.payloadType !== PAYLOAD_TYPE) {
    throw new Refused("payload_type", `It holds “${envelope.payloadType.slice(0, 80)}”, and a bundle holds ${PAYLOAD_TYPE}.`);
  }
  const keyIds = await verified(envelope);
  const { value, text } = parsed(envelope.payload, limits);
  const bundle = shaped(value, mostPrompts);
  if (spelled(value) !== text) throw new Refused("not_canonical", "What was signed is not canonical JSON (RFC 8785).");
  checkNames(bundle);
  await checkSubjects(value.subject, bundle.prompts);
  checkLineage(bundle);
  return { bundle, keyIds, payload: envelope.payload };
}

// The id of a key, from an id or from PEM; a Refused for anything else.
export function keyId(given) {
  const text = given.trim();
  if (/^[0-9a-f]{64}$/.test(text)) return checkedKey(text);
  const pem = /^-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----$/.exec(text);
  const der = pem && bytesOf(pem[1].replace(/\s/g, ""))?.bytes;
  if (!der) throw new Refused("not_a_signing_key", "It is neither a key id (64 lowercase hex digits) nor a public key in PEM.");
  const hexed = hex(der);
  if (der.length !== 44 || !hexed.startsWith("302a300506032b6570032100")) {
    throw new Refused("not_a_signing_key", "It is a public key of another kind than Ed25519.");
  }
  return checkedKey(hexed.slice(24));
}

export async function hasEd25519() {
  try {
    await crypto.subtle.importKey("raw", bytesOfHex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"), "Ed25519", true, ["verify"]);
    return true;
  } catch {
    return false;
  }
}

export async function sha256(bytes) {
  return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}

// A text in parts: what a reader sees, and each character that he does not see, by its code point.
export function seen(text) {
  const parts = [];
  let plain = "";
  let before = 0;
  let offset = 0;
  for (const character of text) {
    const code = character.codePointAt(0);
    if (isHidden(character, code, before, offset)) {
      parts.push({ text: plain }, { code });
      plain = "";
    } else plain += character;
    before = code;
    offset += 1;
  }
  parts.push({ text: plain });
  return parts.filter((part) => part.code !== undefined || part.text);
}

function isHidden(character, code, before, offset) {
  if ("\n\t\r\x1c\x1d\x1e\x1f".includes(character) || !/[\p{Cf}\p{Cc}\p{Co}]/u.test(character)) return false;
  if ((code >= 0xfe00 && code <= 0xfe0f) || (code === 0xfeff && offset === 0)) return false;
  const isJoiner = code === 0x200c || code === 0x200d;
  return !(isJoiner && before > 0x7f && /[^\p{C}\p{Z}]/u.test(String.fromCodePoint(before)));
}

// JSON

function parsed(raw, limits) {
  checkSize(raw, limits);
  measure(raw, limits);
  const text = decoded(raw);
  if (text.startsWith("\ufeff")) throw invalid("it begins with a byte order mark", 0);
  return { value: new Reader(text).all(), text };
}

function checkSize(raw, limits) {
  if (raw.length > limits.size) {
    throw new Refused("too_large", `It has ${raw.length.toLocaleString("en")} bytes; at most ${limits.size.toLocaleString("en")} are accepted.`);
  }
}

// Nesting and number of values, counted on the bytes before anything is made of them.
function measure(raw, limits) {
  let isInside = false;
  let depth = 0;
  let deepest = 0;
  let values = 0;
  for (let at = 0; at < raw.length; at += 1) {
    const byte = raw[at];
    if (byte === 0x5c && (raw[at + 1] === 0x5c || raw[at + 1] === 0x22)) at += 1;
    else if (byte === 0x22) isInside = !isInside;
    else if (!isInside) {
      if (byte === 0x5b || byte === 0x7b) {
        depth += 1;
        values += 1;
        deepest = Math.max(deepest, depth);
      } else if (byte === 0x5d || byte === 0x7d) depth -= 1;
      else if (byte === 0x2c) values += 1;
    }
    if (at % CHUNK === CHUNK - 1 || at >= raw.length - 1) {
      if (deepest > limits.depth) throw new Refused("too_deep", `It is nested more than ${limits.depth} deep.`);
      if (values > limits.values) {
        throw new Refused("too_many_values", `It has more than ${limits.values.toLocaleString("en")} values.`);
      }
    }
  }
}

function decoded(raw) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(raw);
  } catch {
    throw new Refused("invalid_utf8", "It is not UTF-8.");
  }
}

const invalid = (what, at) => new Refused("invalid_json", `It is not JSON: ${what} at character ${at}.`);
const ESCAPES = { '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };
const WORDS = { n: ["null", null], t: ["true", true], f: ["false", false] };

// RFC 8259 without fractions: no key twice, keys in ASCII, integers that every reader keeps.
class Reader {
  constructor(text) {
    this.text = text;
    this.at = 0;
    this.hasHalves = false;
    this.hasNul = false;
  }

  all() {
    this.space();
    const value = this.value();
    this.space();
    if (this.at < this.text.length) throw invalid("something follows", this.at);
    if (this.hasHalves) throw new Refused("invalid_utf8", "It spells half a surrogate pair, which is no character.");
    if (this.hasNul) throw new Refused("nul_character", "A string holds the character U+0000.");
    return value;
  }

  space() {
    while (" \t\n\r".includes(this.text[this.at] ?? "x")) this.at += 1;
  }

  take(character) {
    if (this.text[this.at] !== character) return false;
    this.at += 1;
    return true;
  }

  value() {
    const first = this.text[this.at];
    if (first === '"') return this.string();
    if (first === "{") return this.object();
    if (first === "[") return this.array();
    if (first in WORDS && this.text.startsWith(WORDS[first][0], this.at)) {
      this.at += WORDS[first][0].length;
      return WORDS[first][1];
    }
    return this.number();
  }

  number() {
    const odd = /(?:NaN|-?Infinity)/y;
    odd.lastIndex = this.at;
    const digits = /-?(?:0|[1-9][0-9]*)/y;
    digits.lastIndex = this.at;
    const [word] = odd.exec(this.text) ?? digits.exec(this.text) ?? [];
    if (word === undefined) throw invalid("a value is missing", this.at);
    const rest = /(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/y;
    rest.lastIndex = this.at + word.length;
    if (/[NI]/.test(word) || rest.exec(this.text)[0]) {
      throw new Refused("not_an_integer", `The number at character ${this.at} is no integer.`);
    }
    if (word.length > 17 || !Number.isSafeInteger(Number(word))) {
      throw new Refused("integer_too_large", `The integer ${word.slice(0, 40)} is beyond 2⁵³ − 1.`);
    }
    this.at += word.length;
    return Number(word) + 0;
  }

  string() {
    this.at += 1;
    const parts = [];
    const plain = /[^"\\\x00-\x1f]*/y;
    for (;;) {
      plain.lastIndex = this.at;
      const [part] = plain.exec(this.text);
      parts.push(part);
      this.at += part.length;
      if (this.take('"')) break;
      if (!this.take("\\")) throw invalid("a string does not end, or holds a control character", this.at);
      parts.push(this.escaped());
    }
    const text = parts.join("");
    if (parts.length > 1) {
      this.hasHalves ||= /\p{Cs}/u.test(text);
      this.hasNul ||= text.includes("\0");
    }
    return text;
  }

  escaped() {
    const letter = this.text[this.at];
    this.at += 1;
    if (letter !== "u") {
      if (!Object.hasOwn(ESCAPES, letter ?? "")) throw invalid("an escape is invalid", this.at - 1);
      return ESCAPES[letter];
    }
    const digits = this.text.slice(this.at, this.at + 4);
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw invalid("an escape is invalid", this.at);
    this.at += 4;
    return String.fromCharCode(parseInt(digits, 16));
  }

  object() {
    const found = Object.create(null);
    let twice;
    let odd;
    this.at += 1;
    this.space();
    if (!this.take("}")) {
      do {
        this.space();
        if (this.text[this.at] !== '"') throw invalid("a key is missing", this.at);
        const key = this.string();
        this.space();
        if (!this.take(":")) throw invalid("a colon is missing", this.at);
        this.space();
        const value = this.value();
        if (key in found) twice ??= key;
        if (/[^\x00-\x7f]/.test(key)) odd ??= key;
        found[key] = value;
        this.space();
      } while (this.take(","));
      if (!this.take("}")) throw invalid("a comma is missing", this.at);
    }
    if (twice !== undefined) throw new Refused("duplicate_json_key", `The key “${twice.slice(0, 60)}” appears twice in one object.`);
    if (odd !== undefined) throw new Refused("key_not_ascii", `The key “${odd.slice(0, 60)}” is not ASCII.`);
    return found;
  }

  array() {
    const found = [];
    this.at += 1;
    this.space();
    if (this.take("]")) return found;
    do {
      this.space();
      found.push(this.value());
      this.space();
    } while (this.take(","));
    if (!this.take("]")) throw invalid("a comma is missing", this.at);
    return found;
  }
}

// The one spelling of a value: RFC 8785, which of objects without fractions is this.
function spelled(value) {
  if (Array.isArray(value)) return `[${value.map(spelled).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  return `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${spelled(value[key])}`).join(",")}}`;
}

// The envelope: DSSE v1

function enveloped(raw, limits) {
  const { value, text } = parsed(raw, limits);
  if (!isObject(value)) throw new Refused("not_an_envelope", "It is not a DSSE envelope: not a JSON object.");
  const { payloadType, payload, signatures } = value;
  if (typeof payloadType !== "string" || typeof payload !== "string" || !Array.isArray(signatures)) {
    throw new Refused("not_an_envelope", "It is not a DSSE envelope: it needs payloadType, payload and signatures.");
  }
  if (signatures.length < 1 || signatures.length > MOST_SIGNATURES) {
    throw new Refused("not_an_envelope", `It has ${signatures.length} signatures; 1 to ${MOST_SIGNATURES} are accepted.`);
  }
  const body = based(payload, "payload");
  const rows = signatures.map((row, n) => {
    if (!isObject(row) || typeof row.keyid !== "string" || typeof row.sig !== "string") {
      throw new Refused("not_an_envelope", `Signature ${n} needs keyid and sig.`);
    }
    return { keyid: row.keyid, sig: row.sig, ...based(row.sig, `signature ${n}`) };
  });
  const inOrder = [...rows].sort((one, other) => (one.keyid < other.keyid ? -1 : Number(one.keyid > other.keyid)));
  const written = { payload, payloadType, signatures: inOrder.map(({ keyid, sig }) => ({ keyid, sig })) };
  const isCanonical = body.isStandard && rows.every((row) => row.isStandard) && spelled(written) === text;
  return { payloadType, payload: body.bytes, rows, isCanonical };
}

async function verified({ payloadType, payload, rows }) {
  const message = pae(payloadType, payload);
  const found = [];
  for (const { keyid, bytes } of rows) {
    checkedKey(keyid, "invalid_key_id");
    if (found.includes(keyid)) throw new Refused("duplicate_signature", `The key ${keyid.slice(0, 16)}… signed it twice.`);
    if (bytes.length !== 64 || !(await holds(keyid, bytes, message))) {
      throw new Refused(
        "bad_signature",
        `The signature of ${keyid.slice(0, 16)}… is not over these bytes: they were changed, or another key made it.`,
      );
    }
    found.push(keyid);
  }
  return found.sort();
}

async function holds(id, signature, message) {
  try {
    const key = await crypto.subtle.importKey("raw", bytesOfHex(id), "Ed25519", true, ["verify"]);
    return await crypto.subtle.verify("Ed25519", key, signature, message);
  } catch (wrong) {
    if (wrong.name === "NotSupportedError") throw wrong;
    return false; // no point of the curve
  }
}

// The bytes that are signed: the type and the exact payload, each with its length.
function pae(payloadType, payload) {
  const kind = new TextEncoder().encode(payloadType);
  const head = new TextEncoder().encode(`DSSEv1 ${kind.length} ${payloadType} ${payload.length} `);
  const message = new Uint8Array(head.length + payload.length);
  message.set(head);
  message.set(payload, head.length);
  return message;
}

function checkedKey(id, code = "not_a_signing_key") {
  if (!/^[0-9a-f]{64}$/.test(id)) throw new Refused(code, `“${id.slice(0, 80)}” is no Ed25519 key in 64 lowercase hex digits.`);
  const sign = (parseInt(id.slice(-2), 16) & 0x7f).toString(16).padStart(2, "0");
  if (SMALL_ORDER.has(id.slice(0, -2) + sign)) {
    throw new Refused(code, `${id.slice(0, 16)}… is a point of small order: anybody can sign under it.`);
  }
  return id;
}

function based(text, what) {
  const found = bytesOf(text);
  if (!found) throw new Refused("invalid_base64", `The ${what} is not base64.`);
  return found;
}

const DIGITS = new Int16Array(128).fill(-1);
for (const [value, digit] of [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"].entries()) {
  DIGITS[digit.charCodeAt(0)] = value;
}
DIGITS["-".charCodeAt(0)] = 62;
DIGITS["_".charCodeAt(0)] = 63;

// The bytes of base64 in either alphabet, and whether it is spelled as it should be; undefined where it is none.
function bytesOf(text) {
  const padding = text.endsWith("==") ? 2 : Number(text.endsWith("="));
  const length = text.length - padding;
  if (text.length % 4 || (padding && !length)) return undefined;
  const bytes = new Uint8Array(Math.floor((length * 3) / 4));
  let isStandard = true;
  let bits = 0;
  let filled = 0;
  let at = 0;
  for (let n = 0; n < length; n += 1) {
    const code = text.charCodeAt(n);
    const digit = code < 128 ? DIGITS[code] : -1;
    if (digit < 0) return undefined;
    if (code === 0x2d || code === 0x5f) isStandard = false;
    bits = ((bits << 6) | digit) & 0xffff;
    filled += 6;
    if (filled >= 8) {
      filled -= 8;
      bytes[at] = (bits >> filled) & 0xff;
      at += 1;
    }
  }
  return { bytes, isStandard: isStandard && (bits & ((1 << filled) - 1)) === 0 };
}

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const bytesOfHex = (text) => Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

// What was signed

const string = (most, least = 0) => (it) => typeof it === "string" && longEnough(it, least) && !longer(it, most);
const pattern = (shape) => (it) => typeof it === "string" && shape.test(it);
const integer = (least, most) => (it) => typeof it === "number" && it >= least && it <= most;
const oneOf = (...all) => (it) => all.includes(it);
const many = (shape, least = 0) => [shape, least];
const orNull = (shape) => ({ orNull: shape });
const count = integer(0, Number.MAX_SAFE_INTEGER);
const ppm = integer(0, MILLION);
const line = string(400);
const name = string(200, 1);
const digest = pattern(/^[0-9a-f]{64}$/);
const reference = pattern(
  /^[a-z0-9][a-z0-9_-]{0,63}\/[\p{L}\p{N}_](?:[\p{L}\p{N}_ .:\/()&,'+\-]{0,198}[\p{L}\p{N}_.:\/()&,'+\-])?@[1-9][0-9]{0,8}$/u,
);
const moment = (it) => pattern(/^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z$/)(it) && isReal(it);
const derivation = oneOf("root", "revision", "fork");

const REPUTATION = {
  trust_ppm: ppm, low_ppm: ppm, high_ppm: ppm, average_ppm: ppm, task: line,
  outcomes: count, replays: count, approvals: count, ratings: count,
};
const EVENT = {
  kind: name, score_ppm: ppm, runs: integer(1, MILLION), occurred_at: moment, ritual: line, assistant: line, actor: name,
};
const ROYALTY = { ancestor: reference, holder: name, rate_bp: integer(1, 5_000) };
const PROMPT = {
  name: reference, digest, text: string(500_000, 1), title: string(200), licence: string(64), variables: many(name),
  tags: many(string(100, 1)), parent: orNull(reference), derivation, mutation_note: string(200), author: name,
  rights: oneOf("author", "passed_on", "bought"), royalties: many(ROYALTY), reputation: REPUTATION,
  events: orNull(many(EVENT)),
};
const ANCESTOR = {
  name: reference, digest, parent: orNull(reference), derivation, mutation_note: string(200), author: name,
  licence: string(64),
};
const BUNDLE = {
  version: pattern(/^[0-9]{1,4}\.[0-9]{1,4}$/),
  purpose: oneOf("export", "receipt"),
  prompt_set: { name, title: string(200), description: string(4_000) },
  issuer: { installation: pattern(/^[0-9a-f]{32}$/), name, team: line },
  as_of: moment,
  policy: count,
  evidence_seal: line,
  prompts: many(PROMPT, 1),
  ancestors: many(ANCESTOR),
  receipt: orNull({ transfer: count, buyer: name, team: name, price_micro: count, bought_at: moment }),
};

function shaped(told, mostPrompts) {
  if (!isObject(told) || told._type !== STATEMENT) throw new Refused("not_a_bundle", `What was signed is no ${STATEMENT}.`);
  const kind = String(told.predicateType);
  if (kind !== PREDICATE && kind.includes(":") && kind.slice(0, kind.lastIndexOf(":")) === FAMILY) {
    throw new Refused("unknown_version", `It is a bundle of version “${kind.slice(FAMILY.length + 1).slice(0, 20)}”; only v1 can be read here.`);
  }
  const bundle = told.predicate;
  if (kind !== PREDICATE || !isObject(bundle)) throw new Refused("not_a_bundle", `What was signed is no ${PREDICATE}.`);
  if (typeof bundle.version === "string" && bundle.version.split(".")[0] !== MAJOR) {
    throw new Refused("unknown_version", `It is a bundle of version “${bundle.version.slice(0, 20)}”; ${MAJOR}.0 can be read here.`);
  }
  if (Array.isArray(bundle.prompts) && bundle.prompts.length > mostPrompts) {
    throw new Refused("too_many_prompts", `It has ${bundle.prompts.length.toLocaleString("en")} prompts; at most ${mostPrompts.toLocaleString("en")} are accepted.`);
  }
  checkShape(bundle, BUNDLE, "predicate");
  return bundle;
}

function checkShape(it, shape, place) {
  if (shape.orNull) {
    if (it !== null) checkShape(it, shape.orNull, place);
  } else if (Array.isArray(shape)) {
    if (!Array.isArray(it) || it.length < shape[1]) throw new Refused("not_a_bundle", `${place}: it is not a list of the right form.`);
    for (const [n, one] of it.entries()) checkShape(one, shape[0], `${place}.${n}`);
  } else if (typeof shape === "function") {
    if (!shape(it)) throw new Refused("not_a_bundle", `${place}: it is missing or invalid.`);
  } else {
    if (!isObject(it)) throw new Refused("not_a_bundle", `${place}: it is not an object.`);
    for (const [key, inner] of Object.entries(shape)) checkShape(it[key], inner, `${place}.${key}`);
  }
}

// Characters are counted, not their halves.
const longEnough = (text, least) => text.length >= least;
const longer = (text, most) => text.length > most && (text.length > 2 * most || Array.from(text).length > most);

function isReal(at) {
  const [year, month, day, hour, minute, second] = at.match(/[0-9]+/g).map(Number);
  const date = new Date(Date.UTC(2000, month - 1, day, hour, minute, second));
  date.setUTCFullYear(year, month - 1, day);
  return (
    year >= 1 && hour < 24 && minute < 60 && second < 60 && date.getUTCMonth() === month - 1 && date.getUTCDate() === day
  );
}

function checkNames(bundle) {
  for (const node of [...bundle.prompts, ...bundle.ancestors]) {
    if (node.name.split("/").some((part) => ["", ".", ".."].includes(part))) {
      throw new Refused("path_in_name", `The name “${node.name.slice(0, 80)}” contains a path that leaves its folder.`);
    }
  }
  if ((bundle.receipt === null) !== (bundle.purpose === "export")) {
    throw new Refused("not_a_bundle", `It is ${bundle.purpose}, but only a receipt may say what was paid.`);
  }
}

async function checkSubjects(subjects, prompts) {
  const expected = prompts.map((prompt) => ({ name: prompt.name, digest: { sha256: prompt.digest } }));
  if (subjects === undefined || spelled(subjects) !== spelled(expected)) {
    throw new Refused("digest_mismatch", "Its subjects are not its prompts: names and digests, in one order.");
  }
  for (const prompt of prompts) {
    const found = await sha256(new TextEncoder().encode(prompt.text));
    if (found !== prompt.digest) {
      throw new Refused(
        "digest_mismatch",
        `The text of ${prompt.name} is sha256:${found.slice(0, 12)}…, and its digest says ${prompt.digest.slice(0, 12)}….`,
      );
    }
  }
}

function checkLineage(bundle) {
  const parents = new Map();
  for (const node of [...bundle.prompts, ...bundle.ancestors]) {
    if (parents.has(node.name)) throw new Refused("duplicate_name", `${node.name} appears twice.`);
    if ((node.parent === null) !== (node.derivation === "root")) {
      throw new Refused("not_a_bundle", `${node.name}: only an original has no parent.`);
    }
    parents.set(node.name, node.parent);
  }
  const settled = new Set();
  for (const start of parents.keys()) {
    const path = new Set();
    let last = start;
    for (let at = start; at !== null && !settled.has(at); at = parents.get(at)) {
      if (path.has(at)) throw new Refused("lineage_cycle", `${at} is its own ancestor.`);
      if (!parents.has(at)) throw new Refused("unknown_parent", `${last} is derived from ${at}, which is not in the file.`);
      path.add(at);
      last = at;
    }
    for (const at of path) settled.add(at);
  }
}
