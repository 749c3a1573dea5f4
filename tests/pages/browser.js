// A real browser with a profile of its own; goes when `use` is over, whatever happened.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import puppeteer from "puppeteer-core";

export async function withBrowser(use) {
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), "dogwatch-pages-"));
  const browser = await puppeteer.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    userDataDir: profile,
    // Tests may run as root, where Chromium has no sandbox; /dev/shm is small in containers.
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
  });
  try {
    console.log(JSON.stringify(await use(browser), null, 1));
  } finally {
    await browser.close();
    fs.rmSync(profile, {recursive: true, force: true, maxRetries: 5});
  }
}
