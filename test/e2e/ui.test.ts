/** `wiac ui` and `wiac report`: opened, followed, searched and pruned in a browser, and refused to others. */
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { type Browser, chromium, type Page } from 'playwright-core';
import { context, dockerfile, processesWith, WIAC } from '../support/wiac.js';

/** Not tempDir(): it is kept from one test to the next. */
const home = mkdtempSync(join(tmpdir(), 'wiac-ui-'));
const options = { env: { WIAC_ROOT: join(home, 'store') }, reject: false, cwd: home } as const;
const wiac = (...args: string[]) => execa(process.execPath, [WIAC, ...args], options);

const HOSTILE_NAME = '<img src=x onerror=alert(2)>';
/** It is there until a test lets it go on; no other process has this text. */
const WAITS = `until test -e /go-${process.pid}; do sleep 0.05; done`;

/** docs/report.md shows how it is started. */
const [, COMMAND = ''] = /^\$ wiac (ui.*)$/m.exec(readFileSync('docs/report.md', 'utf8')) ?? [];

let ui: ReturnType<typeof wiac>;
/** It waits for a test, which may fail. */
let build: typeof ui | undefined;
let browser: Browser | undefined;
let page: Page;
let address: URL;
const said: string[] = [];
const asked: string[] = [];

beforeAll(async () => {
  ui = wiac(...COMMAND.split(' '));
  const [launched, [url]] = await Promise.all([
    chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] }),
    once(ui.stdout, 'data'),
  ]);
  browser = launched;
  address = new URL(String(url).trim());
  page = await launched.newPage();
  page.setDefaultTimeout(5000);
  page.on('console', (message) => said.push(message.text()));
  page.on('pageerror', (error) => said.push(error.message));
  page.on('dialog', (dialog) => {
    said.push(dialog.message());
    void dialog.dismiss();
  });
  page.on('request', (sent) => asked.push(sent.url()));
});

afterEach(() => {
  expect(said.splice(0)).toEqual([]);
  expect(asked.splice(0).filter((to) => !to.startsWith(address.origin))).toEqual([]);
});

afterAll(async () => {
  await browser?.close();
  ui.kill('SIGKILL');
  build?.kill('SIGKILL');
  await build;
  rmSync(home, { recursive: true, force: true });
});

/** The data of a page. */
const reportIn = (html: string) => JSON.parse(/id="data">(.*?)<\/script>/.exec(html)?.[1] ?? '');

interface Ask {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly host?: string;
}

function ask(path: string, { method = 'GET', headers = {}, host = '127.0.0.1' }: Ask = {}) {
  return new Promise<{ status: number | undefined; headers: Record<string, unknown> }>(
    (resume, refuse) => {
      const sent = request({ host, port: address.port, path, method, headers }, (response) => {
        response.resume();
        resume({ status: response.statusCode, headers: response.headers });
      });
      sent.once('error', refuse);
      sent.end();
    },
  );
}

test('who has no token, or comes by another name, gets 403', async () => {
  const token = address.searchParams.get('token') ?? '';
  const header = { 'x-wiac-token': token };
  const opened = await ask(`/?token=${token}`);
  const [cookie = ''] = String(opened.headers['set-cookie']).split(';');
  const statuses = async (...asks: [path: string, ask?: Ask][]) =>
    Promise.all(asks.map(async ([path, how]) => (await ask(path, how)).status));
  expect(token).toMatch(/^[\w-]{32}$/);
  expect(
    await statuses(
      [`/?token=${token}`],
      ['/', { headers: { cookie } }],
      ['/api/usage', { headers: header }],
      ['/api/usage', { headers: header, host: '::1' }],
    ),
  ).toEqual([200, 200, 200, 200]);
  const post = { method: 'POST' } as const;
  expect(
    await statuses(
      ['/'],
      ['/?token=x'],
      [`/?token=${token}`, { headers: { host: `evil.example:${address.port}` } }],
      ['/api/usage', { headers: { ...header, host: 'evil.example' } }],
      ['/api/usage', { headers: { cookie } }],
      [`/api/usage?token=${token}`],
      ['/api/prune', { ...post, headers: { cookie } }],
      [`/api/prune?token=${token}`, post],
      ['/api/prune', { ...post, headers: { ...header, origin: 'http://evil.example' } }],
      ['/api/prune', { method: 'OPTIONS', headers: { origin: 'http://evil.example' } }],
    ),
  ).toEqual(Array(10).fill(403));
  expect(opened.headers).toMatchObject({
    'content-security-policy': "frame-ancestors 'none'",
    'referrer-policy': 'no-referrer',
    'set-cookie': [expect.stringMatching(/; HttpOnly; SameSite=Strict$/)],
  });
  expect(opened.headers['access-control-allow-origin']).toBeUndefined();
});

test('a build of another process is followed until it ends', async () => {
  await page.goto(address.href);
  await page.waitForSelector('text=No build is kept');
  expect(page.url()).toBe(`${address.origin}/`);
  const files = dockerfile(
    `RUN echo "${HOSTILE_NAME}"; echo x > "/${HOSTILE_NAME}"`,
    `RUN echo it waits; ${WAITS}; echo it goes on`,
    'RUN head -c 300000 /dev/urandom > /large',
  );
  build = wiac('build', '-q', '-t', 'shop', context({ Dockerfile: files }));
  await page.click('tr.running a');
  await page.click('.node.running');
  await page.waitForSelector('.log >> text=it waits');
  expect(await page.locator('h1').innerText()).toMatch(/^Running for/);
  expect(await page.locator('.node.unreached').count()).toBe(1);
  const { state, exitCode } = reportIn((await wiac('report', '-o', '-')).stdout);
  expect([state, exitCode]).toEqual(['running', undefined]);
  const [pid = ''] = processesWith(WAITS).filter((each) =>
    readlinkSync(`/proc/${each}/exe`).endsWith('busybox'),
  );
  writeFileSync(`/proc/${pid}/root/go-${process.pid}`, '');
  expect((await build).exitCode).toBe(0);
  await page.waitForSelector('text=/^Built in/');
  expect(await page.locator('.log').innerText()).toContain('it goes on');
  expect(await page.locator('.node.ran').count()).toBe(4);
  await page.click('#tab-layers');
  await page.waitForSelector('.layer-list');
  expect(await page.locator('img').count()).toBe(0);
});

test('the list of builds is loaded again with what the browser kept', async () => {
  await page.click('.nav a[href="/"]');
  await page.waitForSelector('tbody >> text=shop');
  await page.reload();
  await page.waitForSelector('tbody >> text=shop');
  await page.fill('#search', 'nothing of this name');
  await page.waitForSelector('tbody tr', { state: 'detached' });
});

test('the store: entries are sorted and searched, a file is found by its name', async () => {
  await page.click('.nav a[href="/store"]');
  const rows = page.locator('tbody tr');
  await rows.nth(3).waitFor();
  await page.getByRole('button', { name: 'size' }).click();
  await page.waitForSelector('[aria-sort=descending] >> text=size');
  await page.waitForSelector('tbody tr:first-child >> text=COPY bin');
  await page.fill('#search', '/large');
  await page.waitForSelector('text=1 entry, 300 kB');
  await page.click('#tab-files');
  await page.fill('#search', '*img*');
  await page.keyboard.press('Enter');
  await page.waitForSelector('text=1 place.');
  expect(await rows.innerText()).toContain(`/${HOSTILE_NAME}`);
  expect(await page.locator('img').count()).toBe(0);
  await page.fill('#search', '[');
  await page.keyboard.press('Enter');
  await page.waitForSelector('[role=alert] >> text=[ is not a pattern');
  // The browser itself tells of answers that are errors.
  expect(said.splice(0)).toEqual([expect.stringContaining('400')]);
});

test('a view of the store has an address, which the browser may load again, also with the token', async () => {
  await page.click('#tab-prune');
  await page.reload();
  await page.waitForSelector('#tab-prune[aria-selected=true]');
  await page.goto('about:blank');
  await page.goto(`${address.origin}/store${address.search}#files`);
  await page.waitForSelector('#tab-files[aria-selected=true]');
  await page.waitForSelector('text=on disk');
  expect(page.url()).toBe(`${address.origin}/store#files`);
});

test('a narrow window has no gap above the views of the store', async () => {
  const wide = page.viewportSize();
  await page.setViewportSize({ width: 800, height: 700 });
  expect(await page.evaluate("document.querySelector('header').offsetHeight")).toBeLessThan(200);
  if (wide) await page.setViewportSize(wide);
});

test('a prune is shown, asked for, and done', async () => {
  expect((await wiac('report', 'last', '-o', 'whole.html')).stdout).toBe(join(home, 'whole.html'));
  await wiac('rmi', 'shop');
  await page.click('#tab-prune');
  await page.fill('[name=larger]', '200k');
  await page.fill('[name=smaller]', '400k');
  await page.click('text=Preview');
  await page.waitForSelector('text=/Would remove 1 item, 30\\d kB/');
  await page.click('text=Remove …');
  await page.click('text=Cancel');
  expect((await wiac('cache', 'ls')).stdout).toContain('/large');
  await page.click('text=Remove …');
  await page.click('dialog .bad');
  expect(await page.locator('#pruned').innerText()).toMatch(/^Removed 1 item, 3\d\d kB$/);
  const { stdout } = await wiac('cache', 'ls');
  expect(stdout).not.toContain('/large');
  expect(stdout).toContain('it waits');
  await page.fill('[name=keepDays]', 'many');
  await page.click('text=Preview');
  await page.waitForSelector('[role=alert] >> text=must be a number of days');
  expect(said.splice(0)).toEqual([expect.stringContaining('400')]);
});

test('wiac report: with its layers, and without those that are gone', async () => {
  const { stdout } = await wiac('report');
  expect(stdout).toMatch(/\/wiac-report-[a-z2-7]{8}\.html$/);
  const [whole] = reportIn(readFileSync(join(home, 'whole.html'), 'utf8')).builds;
  expect(whole.layers.layers).toHaveLength(4);
  expect(whole.layersGone).toBeUndefined();
  const [less] = reportIn((await wiac('report', '-o', '-')).stdout).builds;
  expect([less.layers, less.layersGone]).toEqual([undefined, true]);
  expect(less.steps[1].inputs.length).toBeGreaterThan(0);
  expect(await wiac('report', '-o', '/dev/null/x')).toMatchObject({ exitCode: 2 });
});

test('--open: the browser gets there, and its command line, which everybody sees, has no token', async () => {
  const programs = mkdtempSync(join(home, 'programs-'));
  const given = join(programs, 'given');
  const script = `#!/bin/sh\nprintf %s "$*" > ${given}.new && mv ${given}.new ${given}\n`;
  writeFileSync(join(programs, 'xdg-open'), script, { mode: 0o755 });
  const env = { ...options.env, TMPDIR: programs, PATH: `${programs}:${process.env.PATH}` };
  const opened = execa(process.execPath, [WIAC, 'ui', '--open'], { ...options, env });
  try {
    const [url] = await once(opened.stdout, 'data');
    const { origin, searchParams } = new URL(String(url).trim());
    while (!existsSync(given)) await setTimeout(20);
    const [words, file] = [readFileSync(given, 'utf8'), new URL(readFileSync(given, 'utf8'))];
    expect(words).not.toContain(searchParams.get('token'));
    expect(statSync(file).mode & 0o077).toBe(0);
    expect(statSync(dirname(fileURLToPath(file))).mode & 0o077).toBe(0);
    const tab = await browser?.newPage();
    await tab?.goto(words);
    await tab?.waitForURL(`${origin}/**`);
    await tab?.waitForSelector('tbody >> text=shop');
    await tab?.close();
    opened.kill('SIGINT');
    await opened;
    expect(existsSync(file)).toBe(false);
  } finally {
    opened.kill('SIGKILL');
  }
});

test('a port that is taken is said, and a signal ends it: nothing stays', async () => {
  const taken = await wiac('ui', '--port', address.port);
  expect(taken).toMatchObject({ exitCode: 2, stderr: expect.stringContaining(address.port) });
  await page.click('.nav a[href="/"]');
  await page.waitForSelector('tbody >> text=shop');
  ui.kill('SIGINT');
  expect((await ui).exitCode).toBe(130);
  await page.waitForSelector('[role=alert] >> text=The connection to wiac ui is lost');
  // The browser tells of it as well.
  said.splice(0);
  expect(readdirSync(join(home, 'store/tmp'))).toEqual([]);
  await expect(ask('/')).rejects.toThrow('ECONNREFUSED');
});
