import { launch, loadTexts, openPage, shoot } from './browser.mjs';
import { retention } from './documents.mjs';
import { LOOKS, lookName, viewAll, viewSetup } from './gallery.mjs';
import { startProvider } from './provider.mjs';
import { startServer } from './server.mjs';
import { steps as account } from './walk-account.mjs';
import { answerSteps, steps as chat, viewDevelopment } from './walk-chat.mjs';
import { steps as control } from './walk-control.mjs';
import { steps as people } from './walk-people.mjs';
import { steps as traffic } from './walk-traffic.mjs';
import { steps as upkeep } from './walk-upkeep.mjs';
import * as walk from './walk.mjs';

const WALKS = [
  {
    look: { language: 'en', theme: 'light', width: 1440 },
    enter: walk.setUp,
    name: 'Observatory',
    question: 'For how many years are tide records kept?',
    cited: retention,
    unanswered: 'Who won the football world cup in 1974?',
    longQuestion: 'Write a very long story about a lighthouse, with many chapters.',
    shortQuestion: 'Say hello in one word.',
  },
  {
    look: { language: 'zh', theme: 'dark', width: 390 },
    enter: walk.signIn,
    name: '天文台资料',
    question: '天文台的台长是谁？',
    unanswered: '北京地铁有多少条线路？',
    longQuestion: '写一个关于灯塔的很长的故事，分成很多章。',
    shortQuestion: '用一个词打招呼。',
  },
];

const STEPS = [
  ['enters', ({ enter, ...rest }) => enter(rest)],
  ['asks the documents', walk.askDocuments],
  ['reads the answer and its source', walk.readAnswer],
  ...answerSteps,
  ['asks why', walk.explain],
  ['stops, edits, regenerates', walk.stopEditRegenerate],
  ['sees ledger and audit', walk.seeLedgerAndAudit],
  ['makes an API key', walk.makeApiKey],
  ['adds a provider', walk.addProvider],
  ['chats with the provider', walk.chatWithProvider],
  ['searches, uses the palette', walk.searchAndPalette],
  ...chat,
  ...account,
  ...people,
  ...control,
  ...traffic,
  ...upkeep,
];

let passed = 0;
let failed = 0;

async function test(name, work) {
  const start = Date.now();
  try {
    const faults = (await work()) ?? [];
    if (faults.length > 0) throw new Error(faults.join('\n    '));
    passed += 1;
    console.log(`ok   ${name} (${Date.now() - start} ms)`);
    return true;
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${name}\n    ${error.message.slice(0, 1500)}`);
    return false;
  }
}

async function runWalk(browser, server, provider, plan) {
  const { page, faults, context } = await openPage(browser, { origin: server.origin, ...plan.look });
  const t = await loadTexts(plan.look.language);
  for (const [label, step] of STEPS) {
    const ok = await test(`${lookName(plan.look)} ${label}`, async () => {
      await step({ ...plan, page, t, origin: server.origin, token: server.token, baseUrl: provider.baseUrl });
      return faults.splice(0);
    });
    if (!ok) {
      await shoot(page, `failed-${lookName(plan.look)}`);
      break;
    }
  }
  await context.close();
}

/** Two looks at a time, one for each processor of a small machine. */
async function inLanes(label, view) {
  const looks = LOOKS[Symbol.iterator]();
  const lane = async () => {
    for (const look of looks) await test(`${look.language}-${look.width} ${label}`, () => view(look));
  };
  await Promise.all([lane(), lane()]);
}

const output = [];
const server = await startServer((text) => output.push(text));
const provider = await startProvider();
const browser = await launch();
try {
  await inLanes('set-up page', (look) => viewSetup(browser, server, look));
  for (const plan of WALKS) await runWalk(browser, server, provider, plan);
  await inLanes('every page', (look) => viewAll(browser, server, look));
  await test('React and Ant Design find nothing wrong', () => viewDevelopment(browser, server));
} finally {
  await browser.close();
  await provider.stop();
  await server.stop();
}
if (failed > 0) console.log(`The server said last:\n${output.join('').split('\n').slice(-40).join('\n')}`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
