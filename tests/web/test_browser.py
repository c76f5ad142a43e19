"""The pages in a real browser: light and dark, desktop and phone, with keys, and without a script."""

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests import windows
from tests.web import site as sites
from tests.web.site import Site

pytestmark = pytest.mark.browser

SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
PATHS = {
    "start": "/",
    "search": "/?q=triage",
    "reputation": "/prompts/1/reputation",
    "all relatives": "/prompts/1/reputation?every_relative=1&every_assistant=1",
    "private text": "/prompts/3/reputation",
    "not measured": "/prompts/4/reputation",
    "trust": "/assistants/1/trust",
    "compared": "/assistants/1/trust?with=2&order=-resonance",
    "nothing matches": "/assistants/1/trust?q=zzz",
    "heat map": "/assistants/1/trust?view=heat",
    "team": "/assistants/1/trust?view=team",
    "why": "/assistants/1/trust/2",
    "about": "/about/scores",
    "market": "/market/prompts?assistant=1",
    "market narrowed": "/market/prompts?q=refund&licence=MIT&price_to=100&trust_from=0.1",
    "market, nothing fits": "/market/prompts?q=zzz&tag=none",
    "listing": "/market/prompts/3",
    "listing held": "/market/prompts/1",
    "listing own, forked": "/market/prompts/4",
    "listing disputed": "/market/prompts/29",
    "buy": "/market/prompts/29/buy",
    "manage listing": "/market/prompts/4/manage",
    "sets": "/market/sets",
    "set": "/market/sets/on-call",
    "buy set": "/market/sets/on-call/buy",
    "new set": "/market/sets/new",
    "receipt": "/market/receipts/4",
    "list prompt": "/prompts/94/list",
    "wallet": "/wallet",
    "wallet, about to give": "/wallet?move=give-1&amount=2.5",
    "mine": "/market/mine",
    "requests": "/market/requests",
    "context": "/assistants/1/context",
    "context, just withdrawn": "/assistants/1/context?withdrawn=1",
    "empty context": "/assistants/3/context",
    "context of others": "/assistants/2/context",
    "inject": "/prompts/65/inject?assistant=1",
    "inject, gate closed": "/prompts/67/inject",
    "rate": "/prompts/65/rate",
    "rate, not yet": "/prompts/67/rate",
    "fork": "/prompts/65/fork",
    "fork forbidden": "/prompts/66/fork",
    "came from elsewhere": "/prompts/95/reputation",
    "vault": "/vaults",
    "vault narrowed": "/vaults?purpose=import",
    "bundle made": "/vaults/1",
    "bundle of a receipt": "/vaults/2",
    "bundle taken in": "/vaults/3",
    "new bundle": "/vaults/new",
    "take in": "/vaults/take-in",
    "import taken in": "/vaults/imports/1",
    "quarantine": "/vaults/imports/2",
    "quarantine, unknown key": "/vaults/imports/3",
    "import refused": "/vaults/imports/4",
    "keys": "/vaults/keys",
    "verify": "/vaults/verify",
    "reporters": "/reporters",
    "reporter": "/reporters/1",
    "rituals": "/rituals",
    "ritual": "/rituals/2",
    "ritual by name alone": "/rituals/1",
    "new ritual": "/rituals/new",
    "runs": "/runs",
    "runs, none fits": "/runs?state=cancelled",
    "run": "/runs/1",
    "run that stopped": "/runs/2?frame=3",
    "new run": "/runs/new?ritual=2&prompt=1&assistant=1&frames=2",
    "new run, empty": "/runs/new",
    "its endpoint": "/assistants/1/runner",
    "memory": "/assistants/1/memory?key=house-style",
    "comparisons": "/comparisons",
    "comparison decided": "/comparisons/1",
    "comparison of equals": "/comparisons/2",
    "comparison stopped": "/comparisons/3",
    "new comparison": "/comparisons/new?first=1&second=2&ritual=2&assistant=1",
    "rule sets": "/codices",
    "rule set": "/codices/3",
    "rule set of everybody": "/codices/1",
    "new rule set": "/codices/new",
    "opentelemetry": "/otel",
    "webhooks": "/webhooks",
    "webhook": "/webhooks/1",
    "webhook, narrowed": "/webhooks/1?state=failed",
    "webhook that is told nothing": "/webhooks/2",
    "webhook that was told nothing yet": "/webhooks/3",
    "bad parameter": "/?task=abc",
    "not found": "/prompts/999999/reputation",
}
# What axe would leave out by itself: targets large enough to hit, which WCAG 2.2 AA asks for.
AXE: dict[str, object] = {
    "resultTypes": ["violations"],
    "rules": {"target-size": {"enabled": True}},
}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with sites.served() as site:
        yield site


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with windows.launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def session(site: Site, browser: Browser) -> list[dict[str, object]]:
    """The cookies of somebody who has signed in."""
    context = windows.opened(browser, base_url=site.address)
    _sign_in(context.new_page(), site)
    cookies = [dict(cookie) for cookie in context.cookies()]
    context.close()
    return cookies


def _sign_in(page: Page, site: Site) -> None:
    page.goto("/sign-in")
    page.get_by_label("Name").fill(site.user)
    page.get_by_label("Password").fill(site.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")


def _context(
    browser: Browser,
    site: Site,
    session: list[dict[str, object]],
    *,
    size: str = "desktop",
    scripts: bool = True,
) -> BrowserContext:
    width, height = SIZES[size]
    context = windows.opened(
        browser,
        base_url=site.address,
        viewport={"width": width, "height": height},
        color_scheme="light",
        java_script_enabled=scripts,
        reduced_motion="reduce",
    )
    context.add_cookies(session)  # type: ignore[arg-type]
    return context


@pytest.fixture
def page(browser: Browser, site: Site, session: list[dict[str, object]]) -> Iterator[Page]:
    """A page on a desktop, by day."""
    context = _context(browser, site, session)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def window(
    browser: Browser, site: Site, session: list[dict[str, object]]
) -> Iterator[BrowserContext]:
    """A window for pages that are read only; they share what it has loaded."""
    context = _context(browser, site, session)
    yield context
    context.close()


@pytest.mark.parametrize("name", PATHS)
def test_a_page_is_accessible_and_keeps_its_policy_and_its_width(
    window: BrowserContext, name: str
) -> None:
    page = window.new_page()
    said = _console(page)
    page.goto(PATHS[name])
    assert _violations(page) == []
    for width, height in SIZES.values():
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert said == []
    page.close()


@pytest.mark.nightly("axe looks at a page once a day; at night on a phone too, and in the dark")
@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("size", SIZES)
def test_a_page_is_accessible_on_every_screen_by_day_and_by_night(
    browser: Browser, site: Site, session: list[dict[str, object]], size: str, name: str
) -> None:
    context = _context(browser, site, session, size=size)
    page = context.new_page()
    said = _console(page)
    page.goto(PATHS[name])
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert _violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert _violations(page, options={"runOnly": ["color-contrast"]}) == []
    assert said == []
    context.close()


class _Console(list[str]):
    """What a page says that should say nothing; that it is refused or not there is no mistake of its own."""

    def hear(self, text: str) -> None:
        if "the server responded with a status of 40" not in text:
            self.append(text)


def _console(page: Page) -> _Console:
    said = _Console()
    page.on("console", lambda message: said.hear(message.text))
    page.on("pageerror", lambda error: said.hear(str(error)))
    return said


def _violations(page: Page, *, options: dict[str, object] = AXE) -> list[str]:
    """What axe finds wrong, each with the place and what would mend it."""
    return [
        f"{violation['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for violation in Axe().run(page, options=options).response["violations"]
        for node in violation["nodes"]
    ]


def test_the_sign_in_page_is_accessible(browser: Browser, site: Site) -> None:
    context = windows.opened(browser, base_url=site.address)
    page = context.new_page()
    page.goto("/sign-in")
    assert _violations(page) == []
    context.close()


def test_what_is_typed_finds_prompts_at_once_and_the_address_keeps_it(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("/")
    page.keyboard.type("quick")
    rows = page.locator("#found [aria-labelledby=prompts] tbody tr")
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("quick-triage")
    expect(page).to_have_url(re.compile("q=quick"))


def test_the_fork_editor_foresees_while_one_types_and_is_accessible(page: Page) -> None:
    page.goto("/prompts/65/fork")
    text = page.get_by_role("textbox", name="The text of the fork")
    text.press("Control+End")
    text.press_sequentially("\nAnswer:")
    look = page.locator("#look")
    expect(look.locator("ins").last).to_have_text("+ Answer:")
    expect(look).to_contain_text("now: closing “A:” or “Answer:”")
    expect(text).to_be_focused()
    assert _violations(page) == []


def test_the_button_of_a_gift_follows_what_is_typed(page: Page) -> None:
    page.goto("/wallet")
    page.get_by_label("Move credits").select_option("to scout")
    page.get_by_label("Amount").press_sequentially("0.5")
    expect(page.get_by_role("button", name="Give 0.5 credits to scout")).to_be_visible()
    page.get_by_label("Amount").fill("1e9")
    expect(page.locator("#step")).to_contain_text("Enter at most this amount")


def test_the_market_follows_what_is_typed_and_chosen_and_the_address_keeps_it(page: Page) -> None:
    page.goto("/market/prompts")
    page.keyboard.press("/")
    page.keyboard.type("invoice")
    cards = page.locator("#found article")
    expect(cards).to_have_count(3)
    expect(page).to_have_url(re.compile("q=invoice"))
    page.get_by_label("For assistant").select_option(label="scout")
    expect(cards.first).to_contain_text("for scout")
    expect(page).to_have_url(re.compile("assistant=1"))
    page.get_by_label("Order").select_option("price")
    expect(page.locator("#found .price strong")).to_have_text(["3.5", "9.5", "15.5"])
    page.get_by_role("link", name="MIT").click()
    expect(page.get_by_role("searchbox", name="Search")).to_have_value("invoice")


def test_a_preview_opens_over_the_market_and_is_accessible(page: Page) -> None:
    page.goto("/market/prompts?q=invoice")
    page.get_by_role("link", name="Preview of acme/invoice-2@1").click()
    preview = page.get_by_role("dialog", name="Preview")
    expect(preview).to_contain_text("Answers a letter about invoice.")
    assert Axe().run(page, context="#glance", options=AXE).violations_count == 0
    page.keyboard.press("Escape")
    expect(preview).to_be_hidden()


def test_two_clicks_on_a_buying_button_buy_once(page: Page) -> None:
    page.goto("/market/prompts?q=password-6")
    page.get_by_role("link", name="Buy acme/password-6@1 for 6.5 credits").click()
    page.get_by_role("button", name="Buy for 6.5 credits").dblclick()
    page.wait_for_url("**/market/receipts/*")
    expect(page.get_by_role("row", name="buyer −6.5")).to_have_count(1)
    expect(page.get_by_role("link", name="Inject acme/password-6@1")).to_be_visible()


def test_rows_are_walked_and_opened_by_key(page: Page) -> None:
    page.goto("/")
    for key in ("j", "j", "k", "j"):
        page.keyboard.press(key)
    second = page.locator("tbody[data-rows] > tr").nth(1).locator("a").first
    expect(second).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/reputation")


def test_a_question_mark_lists_the_keys_and_escape_closes_them(page: Page) -> None:
    page.goto("/about/scores")
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(keys).to_be_visible()
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()


def test_keys_typed_into_a_field_stay_there(page: Page) -> None:
    page.goto("/")
    field = page.get_by_role("searchbox").first
    field.fill("")
    field.press_sequentially("j/k?")
    expect(field).to_have_value("j/k?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_hidden()


def test_the_first_tab_skips_to_the_content(page: Page) -> None:
    page.goto("/prompts/1/reputation")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_a_cell_opens_its_reasons_over_the_page_and_is_accessible(page: Page) -> None:
    page.goto("/assistants/1/trust?view=heat")
    page.locator("table.heat td a").first.click()
    reasons = page.locator("dialog#why")
    expect(reasons).to_be_visible()
    expect(reasons).to_contain_text("How the score is built")
    assert Axe().run(page, context="#why", options=AXE).violations_count == 0
    page.keyboard.press("Escape")
    expect(reasons).to_be_hidden()
    expect(page).to_have_url(re.compile("view=heat$"))


def test_older_events_come_without_a_reload(page: Page) -> None:
    page.goto("/prompts/1/reputation")
    page.evaluate("document.body.dataset.here = 'still'")
    first = page.locator("#events tbody tr").first.get_attribute("id")
    page.get_by_role("link", name="Older events").click()
    expect(page.locator("#events tbody tr").first).not_to_have_attribute("id", first or "")
    assert page.evaluate("document.body.dataset.here") == "still"
    expect(page).to_have_url(re.compile("before="))


def test_a_heading_sorts_and_the_address_says_so(page: Page) -> None:
    page.goto("/assistants/1/trust")
    page.get_by_role("columnheader", name="Runs").get_by_role("link").click()
    page.wait_for_url("**order=runs**")
    cells = page.locator("table.dense tbody tr td:nth-last-child(3)").all_inner_texts()
    runs = [float(cell.replace(",", "")) for cell in cells]
    assert runs == sorted(runs, reverse=True)


def test_the_theme_switches_at_once_and_stays(page: Page) -> None:
    page.goto("/")
    paper = "getComputedStyle(document.body).backgroundColor"
    day = page.evaluate(paper)
    page.get_by_role("button", name="Switch between light and dark").click()
    night = page.evaluate(paper)
    assert night != day
    page.goto("/about/scores")
    assert page.evaluate(paper) == night


def test_without_a_script_everything_can_still_be_done(browser: Browser, site: Site) -> None:
    # It signs out at the end, which ends its session on the server: one of its own.
    context = _context(browser, site, [], scripts=False)
    page = context.new_page()
    _sign_in(page, site)
    page.get_by_role("searchbox").first.fill("quick")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("link", name="acme/quick-triage@1", exact=True).click()
    expect(page.get_by_role("heading", name="Sources")).to_be_visible()
    page.goto("/prompts/1/reputation")
    page.get_by_role("link", name="Older events").click()
    expect(page.locator("#events tbody tr").first).to_be_visible()
    page.goto("/assistants/1/trust")
    page.get_by_role("combobox", name="Order").select_option("runs")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**order=runs**")
    page.get_by_role("link", name="why?").first.click()
    expect(page.get_by_role("heading", name="How the score is built")).to_be_visible()
    page.goto("/prompts/65/fork")
    page.get_by_role("textbox", name="The text of the fork").fill("Brief {incident} now.")
    page.get_by_role("button", name="Preview the change").click()
    expect(page.locator("#look ins")).to_have_text("+ Brief {incident} now.")
    page.goto("/wallet")
    page.get_by_label("Move credits").select_option("to scout")
    page.get_by_label("Amount").fill("0.25")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Give 0.25 credits to scout").click()
    expect(page.get_by_role("status")).to_contain_text("scout got 0.25 credits")
    page.goto("/assistants/1/context")
    page.get_by_role("button", name="Withdraw acme/digest@1 from evening").click()
    expect(page.get_by_role("button", name="Put it back")).to_be_visible()
    page.get_by_role("button", name="Switch between light and dark").click()
    expect(page.locator("html[data-theme=dark]")).to_have_count(1)
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    context.close()


def test_a_bundle_is_made_carried_taken_in_and_refused_without_a_script(
    browser: Browser, site: Site, session: list[dict[str, object]]
) -> None:
    context = _context(browser, site, session, scripts=False)
    page = context.new_page()
    page.goto("/vaults/new")
    page.get_by_label("buyers/notes@1").check()
    page.get_by_role("textbox", name="Name").fill("notes")
    page.get_by_role("button", name="Preview the contents").click()
    expect(page.get_by_role("heading", name="What the file contains")).to_be_visible()
    page.get_by_role("button", name="Sign 1 prompt for team buyers").click()
    expect(page.get_by_role("status")).to_contain_text("notes was signed and stored")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the bundle").click()
    page.goto("/vaults/take-in")
    page.get_by_label("File of the bundle").set_input_files(download.value.path())
    page.get_by_role("button", name="Check it").click()
    expect(page.get_by_text("known here")).to_be_visible()
    page.get_by_label("Reason", exact=True).last.fill("it is ours anyway")
    page.get_by_role("button", name="Refuse and delete it").click()
    expect(page.get_by_role("status")).to_contain_text("The file was refused")
    context.close()


def test_the_quarantine_is_walked_by_key(page: Page) -> None:
    page.goto("/vaults")
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="Inspect import 3")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/vaults/imports/3")


def test_a_rule_set_is_tried_on_a_text_without_a_reload(page: Page) -> None:
    page.goto("/codices/3")
    page.evaluate("document.body.dataset.here = 'still'")
    page.get_by_label("Text", exact=True).fill("Be calm: you get your money back.\u200b")
    page.get_by_label("an output").check()
    page.get_by_role("button", name="Check this text").click()
    expect(page.locator("#found mark")).to_have_text("you get your money back")
    expect(page.locator("#found pre b")).to_have_text("U+200B ZERO WIDTH SPACE")
    assert page.evaluate("document.body.dataset.here") == "still"
    assert _violations(page) == []


def test_a_run_is_started_twice_pressed_once_run_and_followed_to_its_end(page: Page) -> None:
    page.goto("/runs/new?prompt=1&assistant=1")
    page.get_by_label("Task").fill("urgency")
    page.get_by_label("Replays").fill("2")
    expect(page.locator("#look")).to_contain_text("12 calls: 4 cases, once plain and in 2 replays")
    assert _violations(page) == []
    page.get_by_role("button", name="Start: 12 calls to scout").dblclick()
    page.wait_for_url(re.compile(r"/runs/\d+$"))
    page.evaluate("document.body.dataset.here = 'still'")
    expect(page.locator("#live")).to_contain_text("The run is done")
    expect(page.locator("#live")).to_contain_text("18 events")
    assert page.evaluate("document.body.dataset.here") == "still"
    page.get_by_role("link", name="Show the final cases").click()
    expect(page.locator("#cases")).to_be_visible()
    expect(page.locator("article.case").first).to_contain_text("passed")
    here = page.url.split("/runs/")[1].partition("?")[0]
    page.goto("/runs")
    names = page.locator("tbody th a").all_inner_texts()
    assert names[0] == f"Run {here}"
    assert names[1] == "Run 3"


def test_a_memory_is_kept_and_a_runner_set_up_without_a_script(
    browser: Browser, site: Site, session: list[dict[str, object]]
) -> None:
    context = _context(browser, site, session, scripts=False)
    page = context.new_page()
    page.goto("/assistants/2/memory")
    expect(page.get_by_role("heading", name="You have no permission for this page")).to_be_visible()
    page.goto("/assistants/3/memory")
    page.get_by_label("Key", exact=True).fill("tone")
    page.get_by_label("Text", exact=True).fill("Be brief.")
    page.get_by_role("button", name="Save this entry").click()
    expect(page.get_by_role("status")).to_contain_text("“tone” was saved in the memory of ranger")
    page.get_by_role("button", name="Delete tone").click()
    expect(page.get_by_role("status")).to_contain_text("“tone” was deleted from the memory")
    page.goto("/assistants/3/runner")
    page.get_by_label("a rehearsal").check()
    page.get_by_role("button", name="Save these settings").click()
    expect(page.get_by_role("status")).to_contain_text("a rehearsal: no language model")
    context.close()


def test_an_endpoint_is_tried_before_a_run_is_paid_for(
    browser: Browser, site: Site, session: list[dict[str, object]]
) -> None:
    context = _context(browser, site, session, size="phone")
    page = context.new_page()
    page.goto("/assistants/3/runner")
    page.get_by_label("an endpoint that").check()
    page.get_by_role("textbox", name="Address").fill("http://127.0.0.1:9/v1")
    page.get_by_role("textbox", name="Model").fill("nobody-1")
    page.get_by_role("button", name="Save these settings").click()
    page.get_by_role("button", name="Test the endpoint").press("Enter")
    expect(page.locator("#tried")).to_contain_text(
        "The endpoint does not answer: the endpoint could not be"
    )
    assert _violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    context.close()


def test_a_webhook_is_made_paused_enabled_and_removed(
    browser: Browser, site: Site, session: list[dict[str, object]]
) -> None:
    context = _context(browser, site, session)
    page = context.new_page()
    page.goto("/wallet")
    page.get_by_role("navigation", name="Account").get_by_role("link", name="Webhooks").click()
    page.get_by_role("textbox", name="Address").fill("https://hooks.nobody.invalid/made")
    page.get_by_label("refund").check()
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Create this webhook").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("whsec_")
    assert _violations(page) == []
    page.get_by_role("link", name="I have stored it").click()
    expect(page.get_by_text("whsec_")).to_have_count(0)
    page.get_by_text("Pause it").click()
    page.get_by_label("Reason").fill("it moves")
    page.get_by_role("button", name="Pause until").click()
    expect(page.get_by_role("heading", name="Disabled")).to_be_visible()
    page.get_by_role("button", name="Enable it again").click()
    expect(page.get_by_role("heading", name="Enabled")).to_be_visible()
    page.get_by_text("Remove it").click()
    page.get_by_role("button", name="Remove webhook").click()
    expect(page.get_by_role("status")).to_contain_text("was removed")
    context.close()


def test_charts_print_and_controls_do_not(page: Page) -> None:
    page.goto("/prompts/1/reputation")
    page.emulate_media(media="print")
    expect(page.locator("svg.history")).to_be_visible()
    expect(page.locator("header.top")).to_be_hidden()


def test_a_table_wider_than_a_phone_scrolls_by_itself(
    browser: Browser, site: Site, session: list[dict[str, object]]
) -> None:
    context = _context(browser, site, session, size="phone")
    page = context.new_page()
    page.goto("/assistants/1/trust")
    table = page.get_by_role("region", name="Prompt trust matrix")
    assert table.evaluate("it => it.scrollWidth > it.clientWidth")
    name = table.locator("tbody th").first
    before = name.bounding_box()
    table.evaluate("it => { it.scrollLeft = 300 }")
    after = name.bounding_box()
    assert before is not None
    assert after is not None
    assert abs(before["x"] - after["x"]) < 1
    context.close()
