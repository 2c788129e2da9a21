// A change that the server announces arrives in the page without a reload and
// without taking away what was typed; and without JavaScript all of it works by
// links and forms.
"use strict";
const { chromium } = require("playwright-core");

const job = JSON.parse(process.argv[2]);
const say = (page, what) => process.stdout.write(JSON.stringify({ page, what }) + "\n");
const want = (ok, page, what) => ok || say(page, what);

async function live(browser) {
  const page = await browser.newPage();
  page.on("console", (m) => m.type() === "error" && say("live", `console: ${m.text()}`));
  await page.goto(job.base + "/findings");
  await page.waitForRequest((r) => r.url().endsWith("/events"), { timeout: 5000 }).catch(() => {});
  await page.waitForTimeout(300);
  await page.evaluate(() => {
    document.querySelector("main h1").textContent = "old";
    window.same = true;
  });
  await fetch(job.change);
  await page.waitForFunction(() => document.querySelector("main h1").textContent !== "old", null, { timeout: 8000 }).catch(() => say("live", "the page did not change"));
  want(await page.evaluate(() => window.same === true), "live", "the page was loaded anew");
  want((await page.locator("main").count()) === 1, "live", "there is more than one main part");

  await page.goto(job.base + "/findings");
  await page.locator("main table tbody a.q").first().click();
  await page.waitForLoadState();
  await page.waitForTimeout(300);
  await page.locator("#owner").fill("Somebody new");
  await fetch(job.change);
  await page.waitForTimeout(3000);
  want((await page.locator("#owner").inputValue()) === "Somebody new", "live", "what was typed is gone after a change");

  await page.keyboard.press("Escape");
  await page.locator("h1").click();
  await page.keyboard.press("/");
  want(await page.evaluate(() => document.activeElement.id === "find"), "keys", "/ does not lead to the search");
  await page.close();
}

async function plain(browser) {
  const context = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 390, height: 800 } });
  const page = await context.newPage();
  await page.goto(job.base + "/findings");
  await page.locator("details.pick summary").first().click();
  await page.locator("details.pick[open] .opts a").first().click();
  want(page.url().includes("severity="), "plain", `the filter is not in the address: ${page.url()}`);
  await page.locator(".menu").click();
  await page.locator("#menu a", { hasText: "Sources" }).click();
  want(page.url().endsWith("/sources"), "plain", `the menu leads to ${page.url()}`);
  await page.locator("tbody a.q").first().click();
  await page.locator("button", { hasText: "Read now" }).click();
  want(page.url().includes("/sources/"), "plain", "reading does not lead back");
  await page.locator(".who").click();
  await page.locator("#me button", { hasText: "Português" }).click();
  want((await page.locator("html").getAttribute("lang")) === "pt-BR", "plain", "the language did not change");
  await page.locator(".who").click();
  await page.locator("#me button[value=prumo-dark]").click();
  want((await page.locator("html").getAttribute("data-theme")) === "prumo-dark", "plain", "the look did not change");
  await page.goto(job.base + "/sources/new?connector=gitea");
  await page.locator("main form button[type=submit]").click();
  want((await page.locator("[aria-invalid=true]").count()) > 0, "plain", "a form without what it needs shows no reason");
  await context.close();
}

(async () => {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
  await live(browser);
  await plain(browser);
  await browser.close();
  say("live and plain", "done");
})().catch((e) => {
  process.stderr.write(`${e.stack}\n`);
  process.exit(1);
});
