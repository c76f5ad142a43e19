// The page that verifies a bundle: reads the file and the keys that were given, and says what it found. A text of the
// file only ever becomes a text of the page.
import { LIMITS, Refused, hasEd25519, keyId, opened, seen, sha256 } from "./bundle.js";

const MOST_SHOWN = 200;
const at = (id) => document.getElementById(id);

function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

const paragraph = (className, ...children) => make("p", { className }, ...children);
const groups = (id) => make("span", { className: "key-id" }, ...id.match(/.{8}/g).map((digits) => make("span", { textContent: digits })));
const plural = (number, word) => `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;
const percent = (ppm) => (ppm / 1_000_000).toFixed(2);

function trusted() {
  const text = at("keys").value.trim();
  if (text.startsWith("-----")) return [keyId(text)];
  return [...new Set(text.split(/\s+/).filter(Boolean).map((one) => keyId(one.toLowerCase())))];
}

function show(...children) {
  at("result").replaceChildren(make("section", { className: "sheet" }, ...children));
}

function refuse({ code, message }) {
  const [means, what] = explained(code) ?? ["", ""];
  at("tells").hidden = true;
  show(
    make("h2", { className: "verdict-line bad", textContent: "Refused: the file is not valid" }),
    paragraph("", make("strong", { textContent: message }), " ", make("code", { id: "code", textContent: code })),
    paragraph("", means, " ", make("span", { className: "soft", textContent: what })),
  );
}

function explained(code) {
  const entry = at(`code-${code}`)?.nextElementSibling;
  if (!entry) return undefined;
  return [entry.firstChild.textContent.trim(), entry.querySelector(".soft").textContent];
}

function signer(id, given) {
  const isKnown = given.includes(id);
  return make(
    "li",
    { className: isKnown ? "trusted" : "unknown" },
    paragraph(
      "",
      make("strong", { textContent: isKnown ? "A key that you entered" : "A key that you did not enter" }),
      " ",
      make("span", { className: `state ${isKnown ? "trusted" : "unknown"}`, textContent: isKnown ? "trusted" : "unknown" }),
    ),
    paragraph("", groups(id)),
  );
}

function verdict(keyIds, given) {
  const threshold = Math.max(1, Number(at("threshold").value) || 1);
  const count = keyIds.filter((id) => given.includes(id)).length;
  if (!given.length) return ["", "The file is unchanged: all signatures are valid, and every text matches its signed digest", "Enter a key that you trust to find out who signed it."];
  if (!count) return ["bad", "The file is unchanged, but none of the keys that you entered signed it", "unknown_signer"];
  if (count < threshold) return ["bad", `The file is unchanged, but only ${plural(count, "key")} that you entered signed it; ${threshold} are needed`, "below_threshold"];
  return ["good", `Verified: signed by ${plural(count, "key")} that you entered`, ""];
}

function prompt(one, issuer) {
  const text = make("pre", { className: "inert", tabIndex: 0 });
  text.setAttribute("role", "region");
  text.setAttribute("aria-label", `The text of ${one.name}`);
  const parts = seen(one.text);
  text.append(...parts.map((part) => (part.code === undefined ? part.text : make("b", { textContent: `U+${part.code.toString(16).toUpperCase().padStart(4, "0")}` }))));
  const hidden = parts.filter((part) => part.code !== undefined).length;
  const { reputation } = one;
  const runs = reputation.outcomes + reputation.replays;
  const facts = [
    make("span", { className: "digest" }, "sha256:", make("code", { textContent: one.digest })),
    make("span", { textContent: one.licence || "no licence" }),
    make("span", { textContent: `by ${one.author}` }),
    make("span", { textContent: one.parent ? `derived from ${one.parent}` : "an original" }),
    make("span", {
      textContent: runs
        ? `trust ${percent(reputation.trust_ppm)}, 90% between ${percent(reputation.low_ppm)} and ${percent(reputation.high_ppm)}, over ${plural(runs, "run")}, reported by ${issuer}`
        : "not measured",
    }),
  ];
  const more = make("details", { className: "small" }, make("summary", { textContent: `The text of ${one.name}` }), text);
  return make(
    "article",
    { className: "told" },
    make("h3", { textContent: one.name }),
    paragraph("facts", ...facts),
    ...(hidden ? [paragraph("alert", `It contains ${plural(hidden, "invisible character")}, which are marked in the text.`)] : []),
    more,
  );
}

async function tell({ bundle, keyIds }, file, digest, given) {
  const [state, says, then] = verdict(keyIds, given);
  const advice = explained(then)?.join(" ") ?? then;
  show(
    make("h2", { className: `verdict-line ${state}`, textContent: says }),
    ...(advice ? [paragraph("", advice)] : []),
    make("ul", { className: "signed" }, ...keyIds.map((id) => signer(id, given))),
    paragraph("soft small digest", `${file.name}, sha256:`, make("code", { textContent: digest })),
  );
  const { issuer, receipt } = bundle;
  at("tells-title").textContent = bundle.prompt_set.title || bundle.prompt_set.name;
  const bought = receipt ? ` · receipt of ${receipt.buyer}, team ${receipt.team}` : "";
  at("tells-facts").textContent =
    `issuer named in the file: ${issuer.name}${issuer.team ? `, team ${issuer.team}` : ""} · ${plural(bundle.prompts.length, "prompt")} · as of ${bundle.as_of.slice(0, 16).replace("T", " ")} UTC${bought}`;
  const rest = bundle.prompts.length - MOST_SHOWN;
  at("prompts").replaceChildren(
    ...bundle.prompts.slice(0, MOST_SHOWN).map((one) => prompt(one, issuer.name)),
    ...(rest > 0 ? [paragraph("soft", `and ${plural(rest, "prompt")} more, verified too.`)] : []),
  );
  at("tells").hidden = false;
}

// The newest question wins: an answer to an older one is dropped.
let asked = 0;

async function verify() {
  const mine = (asked += 1);
  const [file] = at("file").files;
  if (!file) return;
  try {
    const given = trusted();
    show(paragraph("soft", `Reading ${file.name} …`));
    if (file.size > LIMITS.size) throw new Refused("too_large", `It has ${file.size.toLocaleString("en")} bytes; at most ${LIMITS.size.toLocaleString("en")} are accepted.`);
    const raw = new Uint8Array(await file.arrayBuffer());
    const found = await opened(raw);
    const digest = await sha256(raw);
    if (mine === asked) await tell(found, file, digest, given);
  } catch (wrong) {
    if (mine !== asked) return;
    if (wrong instanceof Refused && wrong.code === "not_a_signing_key") {
      at("tells").hidden = true;
      show(make("h2", { className: "verdict-line bad", textContent: "The key is not valid" }), paragraph("", wrong.message));
    } else if (wrong instanceof Refused) refuse(wrong);
    else {
      at("tells").hidden = true;
      show(make("h2", { className: "verdict-line bad", textContent: "The file can't be read" }), paragraph("", String(wrong.message ?? wrong), " Choose it again, or use the command line."));
    }
  }
}

const key = /[#&]key=([0-9a-f]{64})\b/.exec(location.hash);
if (key) at("keys").value = key[1];
if (await hasEd25519()) {
  at("desk").hidden = false;
  at("file").addEventListener("change", verify);
  at("keys").addEventListener("input", verify);
  at("threshold").addEventListener("input", verify);
} else at("unsupported").hidden = false;
