import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { runnerImport } from 'vite';

const RESULTS = fileURLToPath(new URL('../test-results/', import.meta.url));
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const axeSource = await readFile(AXE, 'utf8');

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

/** The app's own texts, so that a walk finds things by what a person reads. */
export async function loadTexts(language) {
  const file = fileURLToPath(new URL(`../src/locales/${language}.ts`, import.meta.url));
  const { module } = await runnerImport(file, { configFile: false });
  const texts = module[language];
  return (key, values = {}) => {
    let found = texts;
    for (const part of key.split('.')) found = found?.[part];
    if (typeof found !== 'string') throw new Error(`There is no text ${key}.`);
    return found.replace(/\{\{(\w+)\}\}/g, (_, name) => values[name] ?? '');
  };
}

/** A page that remembers everything that went wrong on it. */
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
  page.setDefaultTimeout(20_000);
  return { page, faults, context };
}

/** Shows the app in this look, whatever its account prefers. */
export async function preferLook(page, { language, theme }) {
  await page.addInitScript(
    (preferences) => localStorage.setItem('lyceum.preferences', preferences),
    JSON.stringify({ language, theme }),
  );
  await page.route('**/api/v1/me', async (route) => {
    const response = await route.fetch();
    if (!response.ok()) return route.fulfill({ response });
    const me = await response.json();
    return route.fulfill({ response, json: { ...me, preferences: { language, theme } } });
  });
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
  await page.evaluate(axeSource);
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
