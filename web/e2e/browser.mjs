import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { runnerImport } from 'vite';

const RESULTS = fileURLToPath(new URL('../test-results/', import.meta.url));
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const axeSource = await readFile(AXE, 'utf8');

/** How long a page may take to show what is waited for. */
const REST_MS = 20_000;

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export async function launch() {
  await mkdir(RESULTS, { recursive: true });
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: FLAGS,
  });
}

const loadedTexts = new Map();

async function importTexts(language) {
  const file = fileURLToPath(new URL(`../src/locales/${language}.ts`, import.meta.url));
  const { module } = await runnerImport(file, { configFile: false });
  return module[language];
}

/** The app's own texts, so that a walk finds things by what a person reads. */
export async function loadTexts(language) {
  if (!loadedTexts.has(language)) loadedTexts.set(language, importTexts(language));
  const texts = await loadedTexts.get(language);
  return (key, values = {}) => {
    let found = texts;
    for (const part of key.split('.')) found = found?.[part];
    if (typeof found !== 'string') throw new Error(`There is no text ${key}.`);
    return found.replace(/\{\{(\w+)\}\}/g, (_, name) => values[name] ?? '');
  };
}

/** A page that remembers everything that went wrong on it, and how to wait until it is at rest. */
export async function openPage(browser, { origin, language, theme, width }) {
  const context = await browser.newContext({
    baseURL: origin,
    viewport: { width, height: width < 600 ? 844 : 900 },
    locale: language === 'zh' ? 'zh-CN' : 'en-US',
    colorScheme: theme,
    // Pictures are of pages at rest.
    reducedMotion: 'reduce',
    hasTouch: width < 600,
  });
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin });
  const page = await context.newPage();
  const faults = [];
  page.on('pageerror', (error) => faults.push(`page error: ${error.message}`));
  page.on('console', (message) => {
    const text = message.text();
    // The browser reports every 4xx answer; those that matter are seen on the page.
    if (message.type() === 'error' && !text.startsWith('Failed to load resource')) faults.push(`console: ${text}`);
  });
  page.setDefaultTimeout(REST_MS);
  return { page, faults, context, rest: watchRequests(page) };
}

/** Answers with a function that waits until the page has every answer it asked for, and has drawn them. */
function watchRequests(page) {
  const pending = new Set();
  page.on('request', (request) => {
    // A stream of events has no end.
    if (request.headers().accept !== 'text/event-stream') pending.add(request);
  });
  for (const end of ['requestfinished', 'requestfailed']) page.on(end, (request) => pending.delete(request));
  return async () => {
    const deadline = Date.now() + REST_MS;
    // What is drawn may ask for more, so the page has to be found at rest twice.
    for (let found = 0; found < 2; ) {
      await page.evaluate(() => new Promise((idle) => window.requestIdleCallback(() => idle(), { timeout: 250 })));
      found = pending.size === 0 ? found + 1 : 0;
      if (found > 0) continue;
      const urls = [...pending].map((request) => request.url());
      if (Date.now() > deadline) throw new Error(`${page.url()} still waits for ${urls.join(', ')}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
}

/** Draws the page in the other colours, as where the system's theme changes. */
export async function switchTheme(page, theme) {
  await page.emulateMedia({ colorScheme: theme });
  await waitForTheme(page, theme);
}

export async function waitForTheme(page, theme) {
  await page.locator(`html[data-theme="${theme}"]`).waitFor({ state: 'attached' });
}

/** Drops a file as a person does, which an input would not see. */
export async function drop(page, target, { name, mimeType, bytes }) {
  const dataTransfer = await page.evaluateHandle(
    (file) => {
      const transfer = new window.DataTransfer();
      transfer.items.add(new window.File([Uint8Array.from(file.bytes)], file.name, { type: file.mimeType }));
      return transfer;
    },
    { name, mimeType, bytes },
  );
  await target.dispatchEvent('drop', { dataTransfer });
}

export async function shoot(page, name) {
  await page.screenshot({ path: `${RESULTS}${name}.png` });
}

/** Fails on a violation that keeps people out. */
export async function checkAccessibility(page, where) {
  // A colour on its way to another is no colour to judge.
  await page.evaluate(() =>
    Promise.allSettled(
      document
        .getAnimations()
        .filter((animation) => animation.effect?.getComputedTiming().iterations !== Infinity)
        .map((animation) => animation.finished),
    ).then(() => undefined),
  );
  // A page that is checked again has it already.
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axeSource);
  const violations = await page.evaluate(async () => {
    const result = await window.axe.run(document, { resultTypes: ['violations'] });
    return result.violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, help, nodes }) => `${id}: ${help}\n${nodes.slice(0, 4).map((node) => `      ${node.html.slice(0, 200)} ${node.any[0]?.message ?? ''}`).join('\n')}`);
  });
  if (violations.length > 0) throw new Error(`axe on ${where}:\n    ${violations.join('\n    ')}`);
}

/** No page may scroll sideways. */
export async function checkWidth(page, where) {
  const excess = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (excess > 1) throw new Error(`${where} is ${excess}px wider than the window`);
}
