// Looks at the console as people do: `node check.mjs BASE_URL LOGIN_FILE [--pages-only] [OUT_DIR]`
//
// Signs in with LOGIN_FILE (name and password, a line each, as the gateway writes it) and visits the work list, the first
// person and the first alert on it, the first readings without a person, the homes, the first two of them, and a device of
// the first, known or yet to be added, the teams and the first of them, the gateway, and the door for emergencies: in Swedish and
// English, light and dark, on a desk and on a phone. Checks WCAG 2.2 AA with axe, that nothing runs off the side (also with
// text twice as large), that pages are light, and that they work without a script. Not with --pages-only, as it takes half a minute
// and is the same everywhere: that an alert is before somebody's eyes once somebody is there and silent everywhere once somebody
// has it, that pages say NOT LIVE when their stream is cut, and that they stop saying so when it is back.
// The scheme changes colours and nothing else, so that in the dark only what depends on colours is looked at once more.
// Writes screenshots to OUT_DIR, if it is named, and ends with 1 if anything is amiss.

import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import net from "node:net";
import path from "node:path";
import puppeteer from "puppeteer-core";

const isAboutPages = process.argv.includes("--pages-only");
const [target, loginFile, out] = process.argv.slice(2).filter((argument) => argument !== "--pages-only");
if (!loginFile) {
  console.error("usage: node check.mjs BASE_URL LOGIN_FILE [--pages-only] [OUT_DIR]");
  process.exit(2);
}

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
const RULES_OF_COLOUR = { type: "rule", values: ["color-contrast", "link-in-text-block"] };
const HEAVIEST = 150 * 1024;
const DESK = { width: 1280, height: 900 };
const PHONE = { width: 360, height: 740, isMobile: true, hasTouch: true };
const FLAGS = [
  "--no-sandbox", "--headless=new", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

const complaints = [];
const complain = (where, what) => {
  complaints.push(`${where}: ${what}`);
  console.error(`✗ ${where}: ${what}`);
};

const wire = await openWire(new URL(target));
const base = wire.address;
const [name, password] = (await readFile(loginFile, "utf8")).split("\n");
const login = { name, password };
if (out) await mkdir(out, { recursive: true });
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  args: FLAGS,
});
try {
  await checkAll();
} finally {
  await browser.close();
  wire.close();
}
console.log(complaints.length === 0 ? "✓ nothing amiss" : `${complaints.length} complaints`);
process.exit(complaints.length === 0 ? 0 : 1);

async function checkAll() {
  const page = await browser.newPage();
  page.on("console", (message) => {
    const expected = /Failed to load resource|net::ERR_/.test(message.text());
    if (message.type() === "error" && !expected) complain(page.url(), `the browser says: ${message.text()}`);
  });
  page.on("pageerror", (error) => complain(page.url(), `the script fails: ${error.message}`));
  await checkSigningIn(page);
  const pages = await findPages(page);
  for (const lang of ["en", "sv"]) {
    await go(page, "/");
    await Promise.all([page.waitForNavigation(), page.click(`a[hreflang="${lang}"]`)]).catch(() => {});
    // Between desk and phone the browser loads a page anew: once for all.
    for (const [place, checkPage] of [[DESK, checkOnDesk], [PHONE, checkOnPhone]]) {
      await page.setViewport(place);
      for (const [name, address] of Object.entries(pages)) await checkPage(page, `${name}-${lang}`, address, lang);
    }
    await page.setViewport(DESK);
  }
  if (!isAboutPages) {
    await checkClaim(page);
    await checkNotLive(page);
  }
  await checkWithoutScript(page, pages);
}

// The wire between browser and console. Once it is cut nothing passes any more, and nobody is told.
async function openWire({ hostname, port }) {
  const ends = new Set();
  let isCut = false;
  const server = net.createServer((near) => {
    const far = net.connect({ host: hostname, port });
    for (const [from, to] of [[near, far], [far, near]]) {
      ends.add(from);
      from.on("data", (bytes) => { if (!isCut) to.write(bytes); });
      from.on("close", () => { ends.delete(from); to.destroy(); });
      from.on("error", () => to.destroy());
    }
  });
  await new Promise((listening) => { server.listen(0, "127.0.0.1", listening); });
  const drop = () => { for (const end of ends) end.destroy(); };
  return {
    address: `http://127.0.0.1:${server.address().port}`,
    cut: () => { isCut = true; },
    mend: () => { isCut = false; drop(); },
    close: () => { drop(); server.close(); },
  };
}

async function go(page, address) {
  return page.goto(new URL(address, base).href, { waitUntil: "load" });
}

async function checkSigningIn(page) {
  await page.setViewport(DESK);
  await go(page, "/");
  if (new URL(page.url()).pathname !== "/login") complain("login", "the work list shows without signing in");
  await inBothSchemes(page, "login");
  await signIn(page, "not the password");
  if (!(await page.$('[role="alert"]'))) complain("login", "a wrong password is not told");
  await axe(page, "login-wrong");
  await shoot(page, "login-wrong");
  await signIn(page, login.password);
  if (new URL(page.url()).pathname !== "/") complain("login", "signing in does not lead to the work list");
}

async function signIn(page, password) {
  await page.$eval("#name", (field) => { field.value = ""; });
  await page.type("#name", login.name);
  await page.type("#password", password);
  await Promise.all([page.waitForNavigation(), page.click('main button[type="submit"]')]);
}

async function findPages(page) {
  const first = (start) =>
    page.$$eval("main a[href]", (links, start) => links.map((link) => link.getAttribute("href")).find((href) => href.startsWith(start)), start);
  const alert = await first("/alerts/");
  const unassigned = await page.$$eval("main a[href]", (links) => links.map((link) => link.getAttribute("href")).find((href) => href.includes("/unassigned/")));
  const pages = { "work-list": "/", homes: "/homes", teams: "/teams", gateway: "/gateway", emergency: "/emergency", missing: "/no-such-page" };
  if (unassigned) pages.unassigned = unassigned;
  if (alert) {
    pages.alert = alert;
    await go(page, alert);
  }
  const person = await first("/persons/");
  if (person) pages.person = person;
  await go(page, "/teams");
  const team = await first("/teams/");
  if (team) pages.team = team;
  await go(page, "/homes");
  const homes = await page.$$eval("main h2 a[href]", (links) => links.map((link) => link.getAttribute("href")));
  for (const [place, home] of homes.slice(-2).entries()) {
    pages[`home-${place + 1}`] = home;
    await go(page, home);
    const known = await first(`${home}/devices/`);
    if (known) pages.device = known;
    const added = await page.$$eval('main a[id^="add-"]', (links) => links.map((link) => link.getAttribute("href")));
    if (added.length > 0) pages["device-to-add"] = added[0];
  }
  for (const name of ["alert", "person", "home-1", "device", "team"]) if (!pages[name]) complain("start", `no ${name} to look at`);
  return pages;
}

async function checkOnDesk(page, name, address, lang) {
  let status;
  const weight = await weigh(page, async () => { status = (await go(page, address)).status(); });
  if (status !== (address === "/no-such-page" ? 404 : 200)) complain(name, `answers ${status}`);
  if (weight > HEAVIEST) complain(name, `${Math.round(weight / 1024)} KiB are too heavy`);
  const declared = await page.$eval("html", (html) => html.lang);
  if (declared !== lang) complain(name, `its language is ${declared}`);
  if (await page.$("body[data-stream]")) await page.waitForSelector("body.live", { timeout: 10_000 }).catch(() => complain(name, "does not become live"));
  await inBothSchemes(page, name);
  await page.evaluate(() => { document.documentElement.style.fontSize = "200%"; });
  await overflow(page, `${name} with large text`);
}

async function checkOnPhone(page, name, address) {
  await go(page, address);
  await overflow(page, `${name} on a phone`);
  await inBothSchemes(page, `${name}-phone`);
}

// Everything in the light, and what depends on colours in the dark.
async function inBothSchemes(page, name) {
  await axe(page, `${name}-light`);
  await shoot(page, `${name}-light`);
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
  await axe(page, `${name}-dark`, RULES_OF_COLOUR);
  await shoot(page, `${name}-dark`);
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "light" }]);
}

async function weigh(page, visit) {
  const client = await page.createCDPSession();
  await client.send("Network.enable");
  await client.send("Network.setCacheDisabled", { cacheDisabled: true });
  const streams = new Set();
  let bytes = 0;
  client.on("Network.responseReceived", ({ requestId, type }) => { if (type === "EventSource") streams.add(requestId); });
  client.on("Network.dataReceived", ({ requestId, dataLength }) => { if (!streams.has(requestId)) bytes += dataLength; });
  await visit();
  await client.detach();
  return bytes;
}

async function axe(page, where, rules = RULES) {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(AXE);
  const { violations } = await page.evaluate((rules) => window.axe.run(document, { runOnly: rules, resultTypes: ["violations"] }), rules);
  for (const { id, help, nodes } of violations) {
    complain(where, `${id}: ${help}: ${nodes.map((node) => `${node.target} (${node.failureSummary})`).join("; ").replaceAll(/\s+/g, " ")}`);
  }
}

async function overflow(page, where) {
  const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  if (wide > room) complain(where, `runs ${wide - room} px off the side`);
}

async function shoot(page, name) {
  if (out) await page.screenshot({ path: path.join(out, `${name}.png`), fullPage: true });
}

// What rings stands before nobody until somebody is there, and then before her, by her name. Who takes it in one browser
// silences it in all others within a second.
async function checkClaim(page) {
  await page.setViewport(DESK);
  await go(page, "/");
  const other = await (await browser.createBrowserContext()).newPage();
  await other.setViewport(DESK);
  await go(other, "/login");
  await signIn(other, login.password);
  await other.waitForSelector("body.live", { timeout: 10_000 });
  const ringing = await other.$eval("main [data-shown]", (row) => row.dataset.shown).catch(() => null);
  if (!ringing) return complain("claim", "nothing rings");
  const alert = ringing.split("/shown/")[0];
  const eyes = () => page.$$eval('[data-state="shown"]', (items) => items.map((item) => item.textContent));
  await other.bringToFront();
  await new Promise((later) => { setTimeout(later, 4_000); });
  await go(page, alert);
  if ((await eyes()).length > 0) complain("claim", "it was before somebody's eyes while nobody touched a page");
  await other.bringToFront();
  const acknowledged = other.waitForResponse((answer) => answer.url().endsWith(ringing), { timeout: 10_000 }).catch(() => null);
  await other.mouse.move(200, 200);
  await other.mouse.move(220, 220);
  if ((await acknowledged)?.status() !== 204) complain("claim", "the browser does not say that it was before her eyes");
  await page.bringToFront();
  await page.waitForSelector('[data-state="shown"]', { timeout: 10_000 }).catch(() => complain("claim", "its page does not say before whose eyes it was"));
  if (!(await eyes()).every((text) => text.includes(login.name))) complain("claim", "its page does not name her");
  await other.evaluate((id) => {
    const row = document.querySelector(`[data-shown^="${id}/"]`);
    new MutationObserver(() => {
      if (!document.querySelector(`[data-shown^="${id}/"]`)) window.silencedAt ??= Date.now();
    }).observe(document.getElementById("live"), { childList: true, subtree: true });
    return row !== null;
  }, alert);
  await page.click("#claim");
  const claimed = Date.now();
  await other.waitForFunction(() => window.silencedAt, { timeout: 10_000 }).catch(() => complain("claim", "it still rings in another browser"));
  const after = (await other.evaluate(() => window.silencedAt)) - claimed;
  if (after > 1_000) complain("claim", `it rings for ${after} ms in another browser after it was taken`);
  console.log(`silenced in another browser ${after} ms after the click was through`);
  await other.browserContext().close();
}

async function checkNotLive(page) {
  await page.setViewport(DESK);
  await go(page, "/");
  await page.waitForSelector("body.live", { timeout: 10_000 });
  const shown = () => page.$eval("#not-live", (sign) => !sign.hidden);
  if (await shown()) complain("not-live", "says NOT LIVE while it is live");
  wire.cut();
  const cut = Date.now();
  await page.waitForSelector("#not-live:not([hidden])", { timeout: 45_000 }).catch(() => complain("not-live", "does not say NOT LIVE when its stream is cut"));
  const after = (Date.now() - cut) / 1000;
  if (after < 14 || after > 30) complain("not-live", `says NOT LIVE after ${after} s`);
  const text = await page.$eval("#not-live", (sign) => sign.textContent);
  if (!/\d\d:\d\d:\d\d/.test(text)) complain("not-live", `does not say since when: ${text}`);
  await axe(page, "not-live");
  await shoot(page, "not-live");
  wire.mend();
  await page.waitForSelector("#not-live[hidden]", { timeout: 15_000 }).catch(() => complain("not-live", "goes on saying NOT LIVE when its stream is back"));
}

async function checkWithoutScript(page, pages) {
  await page.setJavaScriptEnabled(false);
  await go(page, pages["work-list"]);
  const visible = await page.$$eval("a.refresh, time[data-as-of]", (parts) => parts.filter((part) => part.getClientRects().length > 0).length);
  if (visible !== 2) complain("without script", "does not show the time of its data and a way to refresh");
  await shoot(page, "without-script");
}
