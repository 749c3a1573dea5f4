// picture.js BASE PATH FILE: leaves a picture of the top of a page, as somebody sees who opens it. Prints an empty list.
import {withBrowser} from "./browser.js";

const [base, path, file] = process.argv.slice(2);

await withBrowser(async (browser) => {
  const page = await browser.newPage();
  await page.setViewport({width: 900, height: 700});
  await page.emulateMediaFeatures([{name: "prefers-color-scheme", value: "light"}]);
  await page.goto(base + path, {waitUntil: "load"});
  await page.screenshot({path: file});
  return [];
});
