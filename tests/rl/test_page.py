"""The page of episodes in a browser: keys and slider go through it, and what stands there is what was computed."""

import shutil

import numpy as np
import pytest

from cutaway.rl import evaluate, roster, watch

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium")


def test_the_page(tmp_path):
    program = roster.find("q-learning")
    agent = program.agent(program.config.of(env="cliff"))
    while agent.step < 3000:
        agent.advance()
    played = evaluate.record(agent, 2)
    looked = [agent.look(p) for p in played]
    path = tmp_path / "page.html"
    path.write_text(watch.page(watch.data(agent, played, looked), "a page", "after some steps"))
    wrong = []
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 800})
        page.on("pageerror", lambda e: wrong.append(str(e)))
        page.on("request", lambda q: None if q.url.startswith(("file:", "data:")) else wrong.append(q.url))
        page.goto(path.as_uri() + "#episode=2&step=1")
        shown = lambda: {
            name: float(page.locator(f"b[data-name={name}]").get_attribute("title").replace("−", "-"))
            for name in ("target", "error")
        }
        where = lambda: page.locator(".steps output").inner_text()
        assert where() == f"step 1 of {len(played[1].action)}"
        assert shown() == {name: looked[1][name][1] for name in ("target", "error")}
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("ArrowLeft")
        at = min(11, len(played[1].action) - 1)
        assert where() == f"step {at} of {len(played[1].action)}"
        assert shown() == {name: looked[1][name][at] for name in ("target", "error")}
        bars = page.locator(".bars").first.locator("b").evaluate_all("all => all.map((b) => Number(b.title))")
        assert np.array_equal(bars, looked[1]["q"][at])
        page.locator(".steps select").select_option("0")
        page.keyboard.press("End")
        assert where() == f"end after {len(played[0].action)} steps"
        page.keyboard.press("Home")
        page.keyboard.press(" ")
        page.wait_for_function("document.querySelector('.steps output').textContent.startsWith('step 2 ')")
        assert page.get_by_text("stop").count() == 1
        browser.close()
    assert not wrong
