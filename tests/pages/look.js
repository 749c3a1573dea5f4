// look.js BASE PATH…: opens each page in a real browser, wide and on a phone, light and dark, and prints what is wrong with
// it as JSON: what axe-core finds serious or critical, what runs out of the phone's width, what the browser complains of. What
// is folded is looked at unfolded in the dark.
// With SHOTS=DIR it leaves a picture of each there.
import fs from "node:fs";
import {createRequire} from "node:module";
import path from "node:path";

import {withBrowser} from "./browser.js";

const axe = fs.readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const [base, ...paths] = process.argv.slice(2);
const shots = process.env.SHOTS;

const LOOKS = [
  {width: 1200, scheme: "light"},
  {width: 1200, scheme: "dark"},
  {width: 360, scheme: "light"},
  {width: 360, scheme: "dark"},
];

async function look(page, address, {width, scheme}) {
  const wrong = [];
  const complained = (m) => ["error", "warn"].includes(m.type()) && wrong.push(`console: ${m.text()}`);
  const threw = (e) => wrong.push(`script: ${e.message}`);
  page.on("console", complained).on("pageerror", threw);
  await page.setViewport({width, height: 800});
  await page.emulateMediaFeatures([{name: "prefers-color-scheme", value: scheme}]);
  await page.goto(base + address, {waitUntil: "load"});
  if (scheme === "dark") await page.evaluate(() => document.querySelectorAll("details").forEach((d) => (d.open = true)));
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (over > 0) wrong.push(`wider than the window by ${over} px`);
  if (shots) {
    const name = `${address.replace(/\W+/g, "_")}-${width}-${scheme}.png`;
    await page.screenshot({path: path.join(shots, name), fullPage: true});
  }
  // The pages let no foreign script in: this one comes through the debugger.
  await page.evaluate(axe);
  const found = await page.evaluate(() => globalThis.axe.run(document, {resultTypes: ["violations"]}));
  for (const v of found.violations.filter((v) => ["serious", "critical"].includes(v.impact))) {
    const {html, failureSummary} = v.nodes[0];
    wrong.push(`${v.impact}: ${v.id}: ${v.nodes.length} × ${html.slice(0, 160)} ${failureSummary.split("\n").pop()}`);
  }
  page.off("console", complained).off("pageerror", threw);
  return wrong.map((what) => ({address, width, scheme, what}));
}

await withBrowser(async (browser) => {
  const all = [];
  const page = await browser.newPage();
  for (const address of paths) for (const how of LOOKS) all.push(...(await look(page, address, how)));
  return all;
});
