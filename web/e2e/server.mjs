import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

const START_TIMEOUT_MS = 120_000;

/** Starts the release binary on an empty data folder; answers with its address and set-up token. */
export async function startServer(log = () => {}) {
  if (process.env.LYCEUM_E2E_URL) {
    return {
      origin: new URL(process.env.LYCEUM_E2E_URL).origin,
      token: process.env.LYCEUM_E2E_TOKEN,
      stop: async () => {},
    };
  }
  const target = process.env.CARGO_TARGET_DIR ?? join(homedir(), '.cache/lyceum/target');
  const binary = process.env.LYCEUM_BIN ?? join(target, 'release/lyceum');
  const data = await mkdtemp(join(tmpdir(), 'lyceum-e2e-'));
  const child = spawn(binary, ['serve', '--data-dir', data, '--listen', '127.0.0.1:0'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment(),
  });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  let said = '';
  child.stderr.on('data', (text) => {
    said = (said + text).slice(-2000);
    log(String(text));
  });
  const stop = async () => {
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
    await exited;
    clearTimeout(timer);
    await rm(data, { recursive: true, force: true });
  };
  try {
    const address = await setupAddress(child, exited, log);
    return { origin: address.origin, token: address.searchParams.get('token'), stop };
  } catch (error) {
    await stop();
    throw new Error(`${error.message}\n${said}`, { cause: error });
  }
}

/** The tests' own variables are no settings of the program, and it refuses those that it doesn't know. */
function environment() {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('LYCEUM_'));
  return {
    ...Object.fromEntries(inherited),
    // The stand-in provider listens on this machine, which is not allowed by default.
    LYCEUM_OUTGOING__ALLOWED_PRIVATE_HOSTS: '["127.0.0.1"]',
  };
}

function setupAddress(child, exited, log) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('The server printed no set-up address.')), START_TIMEOUT_MS);
    let seen = '';
    child.stdout.on('data', (text) => {
      log(String(text));
      seen += text;
      const match = /https?:\/\/\S+\/setup\?token=\S+/.exec(seen);
      if (!match) return;
      clearTimeout(timer);
      resolve(new URL(match[0]));
    });
    child.once('error', reject);
    void exited.then((code) => reject(new Error(`The server ended with ${code}.`)));
  });
}
