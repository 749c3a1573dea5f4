// stay.js BASE: what refresh.js does to somebody who reads. Prints what went otherwise, as JSON.
import {withBrowser} from "./browser.js";

const [base] = process.argv.slice(2);

await withBrowser(async (browser) => {
  const wrong = [];
  const expect = (ok, what) => ok || wrong.push(what);
  const page = await browser.newPage();
  await page.goto(base + "/", {waitUntil: "load"});
  const asOf = () => page.$eval("#as-of", (e) => e.textContent);
  // The page looks by itself after some seconds, and at once when somebody comes back to it.
  const back = () => page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  const until = (what) => page.waitForFunction(what, {polling: 50, timeout: 20_000});

  await page.evaluate(() => { globalThis.sameDocument = true; });
  await page.$eval("details summary", (e) => { e.scrollIntoView(); e.focus(); e.click(); });
  const scrolled = await page.evaluate(() => scrollY);
  const before = await asOf();
  // Its time has seconds.
  await new Promise((done) => setTimeout(done, 1_100));
  await back();
  await until(`document.getElementById("as-of").textContent !== ${JSON.stringify(before)}`);
  expect(await page.evaluate(() => globalThis.sameDocument), "the page was loaded anew");
  expect(await page.$eval("details", (e) => e.open), "what was opened is closed");
  expect(await page.evaluate(() => document.activeElement.tagName) === "SUMMARY", "the focus is lost");
  expect(await page.evaluate(() => scrollY) === scrolled, "the page has jumped");

  await page.setOfflineMode(true);
  await back();
  await until(`document.documentElement.classList.contains("stale")`);
  expect((await asOf()).startsWith("The watchdog can't be reached since "), `said: ${await asOf()}`);
  expect((await page.$$("main article.incident")).length > 0, "the last that was known is gone");
  await page.setOfflineMode(false);
  await back();
  await until(`!document.documentElement.classList.contains("stale")`);
  expect((await asOf()).startsWith("as of "), `said: ${await asOf()}`);
  return wrong;
});
