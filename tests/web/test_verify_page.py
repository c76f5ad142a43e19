"""The page that verifies in the browser: it judges as Python does, to the code, and needs no network."""

import base64
import json
import random
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, expect

import mintmark.web
from mintmark.common import errors
from mintmark.signing import bundles, dsse
from tests import windows
from tests.bundles import generate, payloads
from tests.bundles.payloads import HOUSE, STRANGER, TEAM
from tests.factories.vault_fixture import changed
from tests.web import markup
from tests.web import site as sites
from tests.web.site import Site

STATIC = Path(mintmark.web.__file__).parent / "static"
GOOD, BAD, LARGE = generate.good(), generate.bad(), generate.large()
# What the page's script says of many files, which come one after another in one body: "ok", or the code of a refusal.
_CODES = """
async (lengths) => {
  const { opened, Refused } = await import("/mintmark/bundle.js");
  const body = new Uint8Array(await (await fetch("/files")).arrayBuffer());
  const codes = [];
  let at = 0;
  for (const length of lengths) {
    const raw = body.subarray(at, at + length);
    at += length;
    try { await opened(raw); codes.push("ok"); }
    catch (wrong) { codes.push(wrong instanceof Refused ? wrong.code : String(wrong.stack)); }
  }
  return codes;
}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with windows.launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with sites.served() as site:
        yield site


class _Shelf(SimpleHTTPRequestHandler):
    """The static files, and at /files what is laid there."""

    laid: ClassVar[bytes] = b""

    def do_GET(self) -> None:
        if self.path != "/files":
            return super().do_GET()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.laid)
        return None

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not told."""


@pytest.fixture(scope="module")
def reader(browser: Browser) -> Iterator[Page]:
    """A page with nothing but the module that reads bundles; WebCrypto asks for a secure place, which this one is."""
    handler = partial(_Shelf, directory=str(STATIC))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        context = windows.opened(browser, base_url=f"http://127.0.0.1:{server.server_address[1]}")
        page = context.new_page()
        page.goto("/mintmark/icon.svg")
        yield page
        context.close()
        server.shutdown()


def _in_python(raw: bytes) -> str:
    try:
        bundles.verify(raw)
    except errors.DomainError as refusal:
        return refusal.code
    return "ok"


def _differ(page: Page, files: dict[str, bytes]) -> dict[str, tuple[str, str]]:
    """The files of which browser and Python say two things."""
    _Shelf.laid = b"".join(files.values())
    told = page.evaluate(_CODES, [len(raw) for raw in files.values()])
    expected = {name: _in_python(raw) for name, raw in files.items()}
    return {
        name: (code, expected[name])
        for name, code in zip(files, told, strict=True)
        if code != expected[name]
    }


@pytest.mark.browser
def test_the_browser_reads_every_file_of_the_folders_as_python_does(reader: Page) -> None:
    assert _differ(reader, GOOD | {name: case.raw for name, case in BAD.items()}) == {}


@pytest.mark.browser
@pytest.mark.parametrize("name", LARGE)
def test_the_browser_refuses_a_bomb_as_python_does(reader: Page, name: str) -> None:
    assert _differ(reader, {name: LARGE[name][1]()}) == {}


@pytest.mark.browser
def test_a_changed_byte_anywhere_is_refused_with_the_same_code(reader: Page) -> None:
    small, rng = GOOD["small"], random.Random(1)
    changed = {}
    for n, byte in enumerate(small):
        for other in {byte ^ 1, byte ^ 0x20, byte ^ 0x80, rng.randrange(256)} - {byte}:
            changed[f"{n}: {other}"] = small[:n] + bytes([other]) + small[n + 1 :]
    assert "ok" not in {_in_python(raw) for raw in changed.values()}
    assert _differ(reader, changed) == {}


@pytest.mark.browser
def test_a_payload_that_somebody_changed_and_signed_is_read_alike(reader: Page) -> None:
    payload, rng = base64.b64decode(json.loads(GOOD["family"])["payload"]), random.Random(2)
    files = {}
    for n in range(0, len(payload), 2):
        byte = bytes([rng.choice(b'"\\{}[]:,0123456789eE.-+tfnu \n\x00/@\xc3')])
        files[f"{n} changed"] = payload[:n] + byte + payload[n + 1 :]
        files[f"{n} put in"] = payload[:n] + byte + payload[n:]
        files[f"{n} left out"] = payload[:n] + payload[n + 1 :]
    assert _differ(reader, {name: payloads.enveloped(raw) for name, raw in files.items()}) == {}


@pytest.mark.browser
def test_hidden_characters_are_the_same_in_both(reader: Page) -> None:
    from mintmark.textchecks import hidden_characters

    texts = [
        "a\u200bb", "\ufeffa\ufeff", "👩\u200d🔬", "a\u200db", "é\u200c", "\t\r\n\x1c\x07\x7f", "\ue000", "a\ufe0f",
        "\U000e0041", "\u00ad", "\u2028\u202e",
    ]  # fmt: skip
    told = reader.evaluate(
        """async (texts) => {
          const { seen } = await import("/mintmark/bundle.js");
          return texts.map((text) => seen(text).filter((part) => part.code !== undefined).map((part) => part.code));
        }""",
        texts,
    )
    assert told == [
        [place.code_point for place in hidden_characters.find_hidden(text)] for text in texts
    ]


@pytest.fixture
def offline(browser: Browser, site: Site) -> Iterator[Page]:
    """The page as anybody sees it, with the network off once it has loaded."""
    context = windows.opened(browser, base_url=site.address)
    page = _loaded(context)
    context.set_offline(True)
    yield page
    context.close()


def _loaded(context: BrowserContext, path: str = "/vaults/verify") -> Page:
    page = context.new_page()
    page.goto(path, wait_until="networkidle")
    expect(page.locator("#desk")).to_be_visible()
    return page


def _choose(page: Page, raw: bytes, name: str = "bundle.json") -> None:
    page.get_by_label("File of the bundle").set_input_files(
        {"name": name, "mimeType": "application/json", "buffer": raw}
    )


@pytest.mark.browser
def test_a_good_file_verifies_with_the_network_off(offline: Page) -> None:
    asked: list[str] = []
    offline.on("request", lambda request: asked.append(request.url))
    offline.get_by_label("Keys that you trust").fill(dsse.get_key_id(HOUSE))
    _choose(offline, GOOD["family"])
    result = offline.locator("#result")
    expect(result).to_contain_text("Verified: signed by 1 key that you entered")
    expect(result).to_contain_text("A key that you did not enter")
    expect(offline.locator("#prompts article")).to_have_count(2)
    expect(offline.locator("#prompts")).to_contain_text("derived from acme/triage@1")
    # A font that was not needed before is looked for, and does without.
    assert [url for url in asked if not url.endswith(".woff2")] == []


@pytest.mark.browser
def test_one_changed_byte_is_refused_with_what_it_means(offline: Page) -> None:
    raw = GOOD["small"]
    _choose(offline, raw)
    expect(offline.locator("#result")).to_contain_text("The file is unchanged")
    _choose(offline, changed(raw))
    expect(offline.locator("#code")).to_have_text("bad_signature")
    expect(offline.locator("#result")).to_contain_text("changed after it was signed")
    expect(offline.locator("#tells")).to_be_hidden()


@pytest.mark.browser
def test_what_the_keys_and_the_threshold_say_follows_at_once(offline: Page) -> None:
    result, given = offline.locator("#result"), offline.get_by_label("Keys that you trust")
    _choose(offline, GOOD["family"])
    expect(result).to_contain_text("Enter a key that you trust to find out who signed it")
    given.fill(dsse.get_key_id(STRANGER).upper())
    expect(result).to_contain_text("none of the keys that you entered signed it")
    given.fill(dsse.export_pem(dsse.get_key_id(TEAM)))
    expect(result).to_contain_text("Verified: signed by 1 key")
    offline.get_by_label("Signatures needed").fill("2")
    expect(result).to_contain_text("2 are needed")
    given.fill(f"{dsse.get_key_id(TEAM)}\n{dsse.get_key_id(HOUSE)}")
    expect(result).to_contain_text("Verified: signed by 2 keys")
    given.fill("abc")
    expect(result).to_contain_text("The key is not valid")


@pytest.mark.browser
def test_a_text_of_the_file_stays_a_text(offline: Page) -> None:
    hostile = payloads.prompt(text="<img src=x onerror=alert(1)>\u202e", title="<b>bold</b>")
    said: list[str] = []

    def hear(dialog: Dialog) -> None:
        said.append(dialog.message)
        dialog.dismiss()

    offline.on("dialog", hear)
    _choose(offline, payloads.sealed([hostile]), name="<i>.json")
    prompts = offline.locator("#prompts")
    expect(prompts).to_contain_text("It contains 1 invisible character")
    offline.get_by_text("The text of acme/triage@1").click()
    expect(prompts.locator("pre")).to_have_text("<img src=x onerror=alert(1)>U+202E")
    assert offline.locator("#prompts img, #result i").count() == 0
    assert said == []


@pytest.mark.browser
def test_a_link_brings_the_key_along(browser: Browser, site: Site) -> None:
    context = windows.opened(browser, base_url=site.address)
    page = _loaded(context, f"/vaults/verify#key={dsse.get_key_id(HOUSE)}")
    expect(page.get_by_label("Keys that you trust")).to_have_value(dsse.get_key_id(HOUSE))
    context.close()


@pytest.mark.browser
def test_its_scripts_may_connect_nowhere(browser: Browser, site: Site) -> None:
    context = windows.opened(browser, base_url=site.address)
    page = _loaded(context)
    assert page.evaluate("fetch('/').then(() => 'sent', () => 'blocked')") == "blocked"
    context.close()


@pytest.mark.browser
def test_a_browser_without_ed25519_is_shown_the_command_line(browser: Browser, site: Site) -> None:
    context = windows.opened(browser, base_url=site.address)
    page = context.new_page()
    page.add_init_script("SubtleCrypto.prototype.importKey = () => Promise.reject(new Error('no'))")
    page.goto("/vaults/verify")
    expect(page.locator("#unsupported")).to_contain_text("does not support Ed25519")
    expect(page.locator("#desk")).to_be_hidden()
    expect(page.get_by_text("mintmark vault verify FILE --key KEY")).to_be_visible()
    context.close()


@pytest.mark.django_db
def test_the_page_is_open_to_everybody_and_holds_nothing_of_anybody() -> None:
    answer = Client().get("/vaults/verify")
    assert answer.status_code == 200
    assert "connect-src 'none'" in answer["Content-Security-Policy"]
    assert "Sign out" not in markup.read(answer)
    assert Client().get("/vaults").status_code == 302
