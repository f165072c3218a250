"""The atlas in a real browser: sound and cursor, filters, deep links, keyboard, phone, contrast."""

import shutil
import time

import made_up_site
import pytest

from actjax.atlas_site import site
from actjax.report import neuron_table
from actjax.report.neurons import best_of_neurons
from actjax.report.summary import summarise
from actjax.scores.files import load_scores

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no chromium and chromedriver: apt-get install chromium chromium-driver"
)
# The least contrast of a text with what lies behind it, over all texts of the page; W3C's formula.
CONTRAST = """
const linear = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
const colour = (text) => text.match(/[\\d.]+/g).map(Number);
const behind = (e) => { for (; e; e = e.parentElement) {
  const c = colour(getComputedStyle(e).backgroundColor);
  if (c.length < 4 || c[3] > 0.99) return c; } return [255, 255, 255]; };
let least = [99, ""];
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const e = walk.currentNode.parentElement;
  const shown = walk.currentNode.textContent.trim() && e.getClientRects().length;
  if (!shown || e.closest("script, style, .skip")) continue;
  const look = getComputedStyle(e);
  const a = luminance(colour(e instanceof SVGElement ? look.fill : look.color)), b = luminance(behind(e));
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < least[0]) least = [ratio, walk.currentNode.textContent];
}
return least;
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return made_up_site.write(tmp_path_factory.mktemp("atlas")).as_uri()


@pytest.fixture(scope="module")
def browser():
    webdriver = pytest.importorskip("selenium.webdriver", reason="no selenium: pip install 'actjax[test]'")
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    flags = ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "mute-audio")
    for flag in (*flags, "autoplay-policy=no-user-gesture-required"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


def visit(browser, address, **options):
    look(browser, address, **options)
    until(browser, "return document.querySelector('main')?.dataset.ready !== undefined")


def look(browser, address, *, width=1280, height=900, scheme="light", media=""):
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})
    browser.get("about:blank")
    browser.get(address)


def until(browser, script, seconds=20):
    end = time.monotonic() + seconds
    while not (found := browser.execute_script(script)):
        assert time.monotonic() < end, f"never true: {script}"
        time.sleep(0.02)
    return found


def text(browser, selector="main"):
    return browser.execute_script(f"return document.querySelector({selector!r})?.innerText")


def choose(browser, name, value):
    browser.execute_script(
        "const box = document.forms[0].elements[arguments[0]]; box.value = arguments[1];"
        "box.dispatchEvent(new Event('change'))",
        name,
        value,
    )


PAGES = (
    "",
    "#conv1-3",
    "#embedding-2",
    "#features",
    "#feature:chroma_stft",
    "#classes",
    "#class:piano",
    "#about",
)


def test_every_page_opens_from_a_file_without_an_error(browser, page):
    browser.get_log("browser")
    for hash_ in PAGES:
        visit(browser, page + hash_)
        assert len(text(browser)) > 40 and "undefined" not in text(browser), hash_
    errors = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert errors == []


def test_the_table_is_that_of_the_report_to_the_last_digit(browser, page):
    table = load_scores(made_up_site.workdir_of(page))
    summary = summarise(table)
    [*expected] = neuron_table.neuron_table(best_of_neurons(table, summary), summary, None).rows
    visit(browser, page)
    shown = browser.execute_script(
        "return [...document.querySelectorAll('#neurons tbody tr')].map((row) => "
        "[...row.cells].map((cell) => cell.innerText))"
    )
    # Behind these the atlas alone has the change of loss.
    numbers = {row[0]: row[3:10] for row in shown}
    assert len(numbers) == len(expected) == 24
    assert numbers == {row[0]: list(row[3:10]) for row in expected}


def test_names_are_text_and_never_markup(browser, page):
    hostile = made_up_site.HOSTILE
    for hash_, selector in (("", "table"), ("#classes", "main"), ("#about", "main"), ("#conv1-3", "main")):
        visit(browser, page + hash_)
        assert hostile in text(browser, selector), hash_
        assert browser.execute_script("return window.broken") is None
    assert browser.execute_script("return document.querySelectorAll('main img[onerror]').length") == 0
    assert browser.title.startswith("conv1 / 3 - Atlas of <img")


def test_filters_sort_and_address_belong_together(browser, page):
    visit(browser, page)
    assert text(browser, "[role=status]") == "24 of 24 neurons"
    choose(browser, "layer", "conv1")
    assert text(browser, "[role=status]") == "6 of 24 neurons" and "layer=conv1" in browser.current_url
    choose(browser, "sign", "-")
    browser.execute_script("document.querySelector('th[data-key=score] button').click()")
    scores = browser.execute_script(
        "return [...document.querySelectorAll('#neurons tbody tr')].map((row) => row.cells[3].innerText)"
    )
    values = [float(score.replace("−", "-")) for score in scores]
    assert values == sorted(values, reverse=True) and max(values) < 0 and "-" not in "".join(scores)
    address = browser.current_url
    visit(browser, address)
    assert text(browser, "[role=status]") == f"{len(values)} of 24 neurons"
    heading = "return document.querySelector('th[data-key=score]').ariaSort"
    assert browser.execute_script(heading) == "descending"


def test_who_follows_a_pitch_class(browser, page):
    visit(browser, page)
    choose(browser, "feature", "chroma_stft")
    choose(browser, "row", "F#")
    rows = browser.execute_script(
        "return [...document.querySelectorAll('#neurons tbody tr')].map((r) => r.innerText)"
    )
    assert rows and all("chroma_stft F#" in row for row in rows)


def test_a_deep_link_with_a_strange_name_opens_its_neuron(browser, page):
    visit(browser, page)
    choose(browser, "layer", f"c/{made_up_site.HOSTILE}")
    browser.execute_script("document.querySelector('#neurons tbody a').click()")
    until(browser, "return document.querySelector('h1').innerText.startsWith('c/<img')")
    address = browser.current_url
    visit(browser, address)
    assert text(browser, "h1").startswith("c/<img") and "What drives it" in text(browser)
    visit(browser, page + "#conv9-1")
    assert "does not have the neuron conv9-1" in text(browser)


def test_a_page_that_was_left_while_its_data_came_does_not_come_back(browser, page):
    visit(browser, page)
    slow = """const append = document.head.append.bind(document.head);
      document.head.append = (script) => setTimeout(() => append(script), 150);
      location.hash = "conv1-3";
      setTimeout(() => { location.hash = "about"; }, 50);
      setTimeout(() => arguments[0](document.querySelector("h1").innerText), 500);"""
    assert browser.execute_async_script(slow) == "About"


def test_a_feature_counts_the_neurons_that_its_link_shows(browser, page):
    visit(browser, page + "#features")
    cells = "(row) => [row.cells[0].innerText, row.cells[3].innerText]"
    rows = browser.execute_script(f"return [...document.querySelectorAll('tbody tr')].map({cells})")
    assert len(rows) > 1
    for name, followers in rows:
        visit(browser, f"{page}#?feature={name}")
        assert text(browser, "[role=status]").startswith(f"{followers} of ")


def test_intervals_have_the_digits_that_the_report_gives_them(browser, page):
    from actjax.pages.numbers import interval

    visit(browser, page)
    ends = [(0.0015, 0.1514), (-0.25, 0.5), (0.00001, 0.2), (-0.001, 0.0)]
    source = (site.PAGE / "atlas.js").read_text()
    start = source.index("function interval")
    function = source[start : source.index("\n}", start) + 2]
    number = source[source.index("const MINUS") : source.index("const STEP")]
    number += source[source.index("const number") : source.index("const signed")]
    said = browser.execute_script(f"{number}{function} return arguments[0].map((e) => interval(...e))", ends)
    assert said == [interval(*of_one) for of_one in ends]


def test_a_clip_sounds_and_the_cursor_moves(browser, page):
    visit(browser, page + "#conv1-3")
    # Every place of the cursor is kept, so that it does not matter when the sound ends.
    browser.execute_script(
        "window.places = [];"
        "const keep = (all) => all.forEach((one) => places.push(parseFloat(one.target.style.left)));"
        "const cursor = document.querySelector('figure .cursor');"
        "new MutationObserver(keep).observe(cursor, {attributeFilter: ['style']});"
        "document.querySelector('figure button').click()"
    )
    until(browser, "return new Set(places.filter((left) => left > 0)).size >= 3")
    places = browser.execute_script("return places")
    assert places == sorted(places) and places[-1] <= 100.5
    assert browser.execute_script("return document.querySelectorAll('figure').length") == 8
    visit(browser, page + "#conv1-3")
    browser.execute_script("document.querySelector('figure button').click()")
    until(browser, "return document.querySelector('.playing')")
    press(browser, "ESCAPE")
    assert browser.execute_script("return document.querySelector('.playing')") is None


def press(browser, *names):
    from selenium.webdriver import ActionChains, Keys

    ActionChains(browser).send_keys(*(getattr(Keys, name) for name in names)).perform()


def test_the_keyboard_reaches_a_neuron(browser, page):
    visit(browser, page)
    browser.execute_script("document.querySelector('main').focus()")
    for _ in range(40):
        press(browser, "TAB")
        if browser.execute_script("return document.activeElement.closest('tbody') !== null"):
            break
    name = browser.execute_script("return document.activeElement.innerText")
    press(browser, "ENTER")
    until(browser, f"return document.querySelector('h1').innerText === {name!r}")


@pytest.mark.parametrize("hash_", PAGES)
def test_a_phone_shows_whole_pages(browser, page, hash_):
    visit(browser, page + hash_, width=360, height=740)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(browser, page, scheme):
    for hash_ in PAGES:
        visit(browser, page + hash_, scheme=scheme)
        ratio, words = browser.execute_script(CONTRAST)
        assert ratio >= 4.5, f"{hash_}: {ratio:.2f} of {words!r}"


def test_pictures_say_what_they_show_and_print_leaves_the_controls_out(browser, page):
    visit(browser, page + "#conv1-3", media="print")
    missing = "return [...document.querySelectorAll('img')].filter((i) => i.alt.length < 20).length"
    assert browser.execute_script(missing) == 0
    drawings = "return [...document.querySelectorAll('svg[role=img]')].every((s) => s.querySelector('title'))"
    assert browser.execute_script(drawings)
    hidden = "return ['header', '.play'].map((s) => getComputedStyle(document.querySelector(s)).display)"
    assert browser.execute_script(hidden) == ["none", "none"]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_the_report_can_be_read_on_a_phone_too(browser, page, tmp_path, scheme, width):
    from actjax.report import page as report_page
    from actjax.report.neurons import best_of_neurons
    from actjax.report.summary import summarise
    from actjax.report.workdir_files import Material
    from actjax.scores.files import load_scores

    table = load_scores(made_up_site.workdir_of(page))
    summary = summarise(table)
    made = report_page.render(summary, Material(atlas=True), [], {}, best_of_neurons(table, summary))
    (tmp_path / "report.html").write_text(made, encoding="utf-8")
    look(browser, (tmp_path / "report.html").as_uri(), width=width, scheme=scheme)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    ratio, words = browser.execute_script(CONTRAST)
    assert ratio >= 4.5, f"{ratio:.2f} of {words!r}"
    links = "return [...document.querySelectorAll('#neurons a[href]')].map((a) => a.getAttribute('href'))"
    assert "atlas/index.html#conv1-3" in browser.execute_script(links)


def test_a_map_stands_beside_the_feature_that_it_resembles(browser, page):
    visit(browser, page + "#conv1-3")
    assert "chroma_stft, which the maps resemble most (map view, cka" in text(browser)
    shown = "return document.querySelector('figure .track:nth-child(3) img').naturalHeight"
    assert until(browser, shown) == 12


def test_what_the_network_loses_without_a_neuron_is_told(browser, page):
    visit(browser, page + "#conv1-3")
    assert "the loss changes by +0.0300 nats (95 %: −0.0700 to +0.1300) and 25.0 %" in text(browser)
    # The slope on doses from -1 to 1 is half of the difference between the ends.
    assert "half of what changes from the least to the strongest dose" in text(browser)
    visit(browser, page)
    assert "loss without it" in text(browser, "#neurons")


@pytest.mark.long
@pytest.mark.parametrize(("neurons", "seconds"), [(264, 0.5), (10_000, 1.5)])
def test_the_index_is_usable_and_filtered_in_time(browser, tmp_path, neurons, seconds):
    layers = {f"conv{i}": (i / 10, neurons // 8) for i in range(1, 9)}
    address = made_up_site.write(tmp_path, layers=layers).as_uri()
    visit(browser, address)
    visit(browser, address)
    ready = browser.execute_script("return performance.getEntriesByName('ready')[0].startTime / 1000")
    filtered = browser.execute_script(
        "const start = performance.now(); const box = document.forms[0].elements.layer; box.value = 'conv3';"
        "box.dispatchEvent(new Event('change')); document.body.offsetHeight; return performance.now() - start"
    )
    print(f"{neurons} neurons: usable after {ready:.3f} s, filtered in {filtered:.0f} ms")
    assert ready < seconds and filtered < 100
