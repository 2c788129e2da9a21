// Visits pages at several widths and in several looks; prints one JSON line for
// everything that is wrong, and one that says done.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const { chromium } = require("playwright-core");
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const job = JSON.parse(process.argv[2]);
const say = (page, what) => process.stdout.write(JSON.stringify({ page, what }) + "\n");

async function visit(context, at, lang) {
  const page = await context.newPage();
  let name = `${at} ${lang}`;
  page.on("console", (m) => {
    if (m.type() === "error" && !(at === "/nowhere" && m.text().includes("404"))) say(name, `console: ${m.text()}`);
  });
  page.on("pageerror", (e) => say(name, `script: ${e.message}`));
  page.on("request", (r) => {
    if (!r.url().startsWith(job.base)) say(name, `asks another host: ${r.url()}`);
  });
  await page.setViewportSize({ width: job.widths[0], height: 900 });
  await page.goto(job.base + at, { waitUntil: "load" });
  await page.evaluate(axe);
  for (const width of job.widths) {
    await page.setViewportSize({ width, height: 900 });
    for (const theme of job.themes) {
      name = `${at} ${width} ${theme} ${lang}`;
      await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
      await look(page, name);
      if (job.screens) {
        fs.mkdirSync(job.screens, { recursive: true });
        const file = `${job.name}-${at.replace(/[^a-z0-9]+/gi, "_").slice(0, 50)}-${width}-${theme}.png`;
        await page.screenshot({ path: path.join(job.screens, file), fullPage: true });
      }
    }
  }
  await page.close();
}

// look finds what sticks out of the page, and what axe finds.
async function look(page, name) {
  const wide = await page.evaluate(() => {
    const limit = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= limit) return "";
    const out = [...document.querySelectorAll("main *, header *")].filter((e) => {
      if (e.closest("pre, .tw, .diff, .vh, svg")) return false;
      return e.getBoundingClientRect().right > limit + 1;
    });
    return `${document.documentElement.scrollWidth} wide: ` + out.slice(0, 3).map((e) => e.outerHTML.slice(0, 120)).join(" | ");
  });
  if (wide) say(name, `scrolls sideways: ${wide}`);
  const result = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  for (const v of result.violations) {
    say(name, `axe ${v.id}: ${v.help}: ${v.nodes.slice(0, 2).map((n) => n.html.slice(0, 160) + " " + (n.any[0]?.message || "")).join(" | ")}`);
  }
}

(async () => {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
  let n = 0;
  for (const lang of job.langs) {
    for (const at of job.paths) {
      const context = await browser.newContext();
      const cookies = [{ name: "prumo-lang", value: lang, url: job.base }];
      if (at === "/login") cookies.push({ name: "nobody", value: "1", url: job.base });
      await context.addCookies(cookies);
      await visit(context, at, lang);
      await context.close();
      n++;
    }
  }
  await browser.close();
  say(`${n} pages`, "done");
})().catch((e) => {
  process.stderr.write(`${e.stack}\n`);
  process.exit(1);
});
