/** `wiac build --report`: the page of a build, opened, clicked and searched in a browser. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { type Browser, chromium, type Page } from 'playwright-core';
import type { RecordedStep } from '../../src/engine/history/record.js';
import type { DefinitionKey } from '../../src/keys/digest.js';
import type { StepId } from '../../src/plan/step.js';
import { openCollection } from '../../src/report/collect-events.js';
import { fillPage } from '../../src/report/fill-page.js';
import { makeReport } from '../../src/report/make-report.js';
import { warmMachines } from '../support/warm-command.js';
import { context, dockerfile, printed, WIAC, writeTree } from '../support/wiac.js';

const machine = warmMachines();

const HOSTILE = '</script><img src=x onerror=alert(1)>';
/** A file's name has no slash. */
const HOSTILE_NAME = '<img src=x onerror=alert(2)>';

const DOCKERFILE = [
  'FROM scratch AS base',
  'COPY bin /bin',
  'FROM base AS tools',
  `ARG LABEL="${HOSTILE}"`,
  'ARG API_TOKEN=none',
  'COPY source /source',
  `RUN echo "$LABEL"; for i in 1 2 3; do echo "tool $i"; done; echo x > "/${HOSTILE_NAME}"`,
  'FROM base AS data',
  'RUN head -c 300000 /dev/urandom > /large; head -c 100000 /large > /small',
  'FROM base',
  'COPY --from=data /large /small /srv/',
  'COPY --from=tools /source /srv/source',
  'RUN rm /srv/large; cat /srv/small > /srv/again; ln /srv/again /srv/linked',
  'CMD ["/bin/sh"]',
].join('\n');

/** Not tempDir(): it is kept from one test to the next. */
const home = mkdtempSync(join(tmpdir(), 'wiac-report-'));
const file = (name: string) => join(home, `${name}.html`);
const outcomes = new Map<string, { exitCode: number | undefined; stderr: string }>();

let browser: Browser;
/** One for all tests: a new one takes longer than what they do with it. */
let page: Page;
/** What the page said in its console, and asked for. */
const said: string[] = [];
const asked: string[] = [];

/** A build of so many steps in six stages, as the engine tells of it. */
function largeReport(count: number): string {
  const collection = openCollection();
  const id = (number: number) => `s${number}` as StepId;
  const steps = Array.from(
    { length: count },
    (_, index): RecordedStep => ({
      id: id(index),
      name: `[stage-${index % 6} ${index}]`,
      kind: 'run',
      parent: index < 6 ? undefined : id(index - 6),
      reads: index % 25 === 24 ? [id(index - 8)] : [],
      text: `RUN make part-${index}`,
      stage: `stage-${index % 6}`,
      platform: 'linux/amd64',
      location: { file: 'Dockerfile', line: index + 1, column: 1, endLine: index + 1 },
    }),
  );
  collection.add({ type: 'planned', version: 1, steps, at: 0 });
  for (const [index, { id: step }] of steps.entries()) {
    const key = String(index).padStart(64, '0') as DefinitionKey;
    collection.add({ type: 'started', step, key, at: index * 10 });
    for (let line = 0; line < 100; line += 1)
      collection.add({ type: 'output', step, text: `line ${line} of ${index}`, at: index * 10 });
    const made = { durationMs: 60, files: 1, bytes: 1, linked: 0 };
    collection.add({ type: 'finished', step, ...made, at: index * 10 + 60 });
  }
  const page = readFileSync('dist/report.html', 'utf8');
  return fillPage(
    page,
    makeReport(collection, {
      header: {
        wiac: '1',
        started: 0,
        command: ['build'],
        context: '/',
        dockerfile: '/Dockerfile',
      },
      exitCode: 0,
      names: ['large'],
      layers: [],
      past: [],
      redact: (_, value) => value,
    }),
  );
}

beforeAll(async () => {
  const { wiac } = machine();
  const root = context({ Dockerfile: DOCKERFILE, 'source/a.c': 'a', 'source/b.c': 'b' });
  const build = async (name: string, ...flags: string[]) => {
    const { exitCode, stderr } = await wiac(['build', '--report', file(name), ...flags, root]);
    outcomes.set(name, { exitCode, stderr });
  };
  const [launched] = await Promise.all([
    chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] }),
    build('first', '-t', 'shop'),
  ]);
  browser = launched;
  page = await browser.newPage({ hasTouch: true });
  page.setDefaultTimeout(5000);
  page.on('console', (message) => said.push(message.text()));
  page.on('pageerror', (error) => said.push(error.message));
  page.on('dialog', (dialog) => {
    said.push(dialog.message());
    void dialog.dismiss();
  });
  page.on('request', (request) => asked.push(request.url()));
  writeTree(root, { 'source/a.c': 'changed' });
  await build('second', '-q', '-t', 'shop', '--build-arg', 'API_TOKEN=tok-1234567');
  writeTree(root, { Dockerfile: DOCKERFILE.replace('echo "$LABEL";', 'echo oh no; exit 7;') });
  await build('failed', '-t', 'shop');
  writeTree(root, { Dockerfile: 'FROM base\nFRM base\n' });
  await build('unplanned');
  writeFileSync(file('large'), largeReport(300));
  // It ends with a time that its axis could name: 0.25s.
  writeFileSync(file('edge'), largeReport(20));
});

afterEach(async () => {
  // Only pages of files have been opened so far, and they share it.
  if (page.url().startsWith('file:')) await page.evaluate('localStorage.clear()');
  expect(said.splice(0)).toEqual([]);
  expect(asked.splice(0).filter((url) => !url.startsWith('file:'))).toEqual([]);
});

afterAll(async () => {
  await browser.close();
  rmSync(home, { recursive: true, force: true });
});

interface Screen {
  readonly width?: number;
  readonly height?: number;
  readonly colorScheme?: 'light' | 'dark';
}

async function open(name: string, hash = '', screen: Screen = {}): Promise<void> {
  const { width = 1280, height = 800, colorScheme = 'light' } = screen;
  await page.setViewportSize({ width, height });
  await page.emulateMedia({ colorScheme });
  // Where only the part behind # changes, nothing is opened.
  await page.goto('about:blank');
  await page.goto(pathToFileURL(file(name)).href + hash);
  await page.waitForSelector('h1');
}

const node = (text: string) =>
  page
    .locator('.node')
    .filter({ has: page.getByText(text) })
    .first();
const panel = () => page.locator('aside.panel');

test('builds end as they would without', () => {
  const codes = [...outcomes].map(([name, { exitCode }]) => [name, exitCode]);
  expect(codes).toEqual([
    ['first', 0],
    ['second', 0],
    ['failed', 5],
    ['unplanned', 3],
  ]);
  expect(outcomes.get('second')?.stderr).toBe('');
  expect(outcomes.get('failed')?.stderr).toContain('exit code 7');
});

test('a file that cannot be written is said before the build', async () => {
  const { root: store, wiac } = machine();
  const root = context({ Dockerfile: 'FROM scratch\nCOPY bin /\n' });
  for (const file of ['/dev/null/x', '-', root]) {
    const { exitCode, stdout, stderr } = await wiac(['build', '--report', file, root]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toContain(`--report ${file}: `);
    expect(existsSync(join(store, 'layers'))).toBe(false);
  }
});

test('one that turns out so after it hides neither its result nor another error', async () => {
  const { wiac } = machine();
  const root = context({ Dockerfile: 'FROM scratch\nCOPY bin /\n' });
  const there = await wiac(['build', '--report', '/dev/full', root]);
  expect(there).toMatchObject({
    exitCode: 2,
    stdout: expect.stringContaining('/l/'),
    stderr: expect.stringContaining('--report /dev/full: it cannot be written'),
  });
  expect(there.stderr.split('it cannot be written')).toHaveLength(2);
  writeTree(root, { Dockerfile: 'FROM scratch\nCOPY gone /\n' });
  const failed = await wiac(['build', '--report', '/dev/full', root]);
  expect(failed.exitCode).toBe(4);
  expect(failed.stderr).toContain('it cannot be written');
  expect(failed.stderr).toContain('gone');
});

test('a build that is made again and again writes it each time; no secret of a step is in it', async () => {
  const root = context({
    Dockerfile: dockerfile('COPY f /f', 'RUN --mount=type=secret,id=s cat /f /run/secrets/s'),
    f: 'first ',
  });
  const { root: store } = machine();
  const page = file('watched');
  const child = execa(
    process.execPath,
    [WIAC, 'build', '-q', '--watch', '--secret=id=s,env=S', '--report', page, root],
    { reject: false, env: { WIAC_ROOT: store, S: 'snark-in-the-page' } },
  );
  await printed(child.stdout, '/l/');
  expect(readFileSync(page, 'utf8')).toContain('first ***');
  const again = printed(child.stdout, '/l/');
  writeTree(root, { f: 'second ' });
  await again;
  child.kill('SIGINT');
  await child;
  expect(readFileSync(page, 'utf8')).toContain('second ***');
  expect(readFileSync(page, 'utf8')).not.toContain('snark');
});

test('the page is small, and no secret is in it', () => {
  const page = readFileSync(file('second'), 'utf8');
  expect(page.length).toBeLessThan(600_000);
  expect(page).toContain('API_TOKEN=***');
  expect(page).not.toContain('tok-1234567');
});

test('texts of others are texts: output, names of files, values of ARG', async () => {
  await open('first');
  await node('tools 4/4').click();
  const text = await panel().innerText();
  expect(text).toContain(HOSTILE);
  expect(text).toContain(HOSTILE_NAME);
  expect(await page.locator('img').count()).toBe(0);
  expect(await page.locator('script').count()).toBe(2);
  await page.fill('#search', '<img');
  await page.waitForSelector('[role=option]');
  expect(await page.locator('img').count()).toBe(0);
});

test('a step that is clicked shows its key, inputs, reason, output and files', async () => {
  await open('second');
  await page.waitForSelector('text=What ran, and why');
  expect(await panel().innerText()).toContain('source/a.c changed');
  await node('tools 4/4').click();
  const text = await panel().innerText();
  for (const part of [
    'API_TOKEN changed from "***" to "***"',
    'tool 2',
    'env LABEL',
    'env API_TOKEN',
    'linux/',
  ])
    expect(text).toContain(part);
  expect(text).toMatch(/[0-9a-f]{64}/);
  expect(await page.evaluate('location.hash')).toMatch(/^#graph\/s\d+$/);
  await page.keyboard.press('Escape');
  await page.waitForSelector('text=What would make it faster');
  expect(await page.evaluate('location.hash')).toBe('');
});

test('a build that failed shows where, and its last lines', async () => {
  await open('failed');
  expect(await page.locator('h1').innerText()).toMatch(/^Failed after/);
  const text = await panel().innerText();
  expect(text).toContain('Dockerfile:7 the step ended with exit code 7');
  expect(text).toContain('oh no');
  expect(await page.locator('.node.failed').count()).toBe(1);
  expect(await page.locator('.node.unreached').count()).toBeGreaterThan(0);
});

test('a build that failed before it had steps says why', async () => {
  await open('unplanned');
  expect(await page.locator('h1').innerText()).toBe('Failed');
  expect(await page.locator('#view').innerText()).toContain('FRM');
  expect(await page.locator('[role=tab]').allInnerTexts()).toEqual(['Summary', 'Cache use']);
});

test('search goes from a key to a line of output', async () => {
  await open('first');
  await page.keyboard.press('/');
  await page.keyboard.type('TOOL 3');
  const options = page.locator('[role=option]');
  await options.first().waitFor();
  expect(await options.allInnerTexts()).toEqual([expect.stringContaining('tool 3')]);
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  const line = page.locator('.log .wanted');
  await line.waitFor();
  expect(await line.innerText()).toBe('tool 3');
  expect(await options.count()).toBe(0);
});

test('all of it can be reached by keys', async () => {
  await open('second');
  await page.locator('.node[tabindex="0"]').focus();
  const chosen = () => page.locator('.node.chosen').getAttribute('aria-label');
  await page.keyboard.press('Enter');
  const first = await chosen();
  await page.keyboard.press('ArrowDown');
  const second = await chosen();
  expect(second).not.toBe(first);
  await page.keyboard.press('ArrowUp');
  expect(await chosen()).toBe(first);
  await page.locator('#tab-graph').focus();
  for (const [tab, seen] of [
    ['timeline', 'decided how long it took'],
    ['layers', 'Wasted bytes'],
    ['history', '2 builds of this project'],
  ]) {
    await page.keyboard.press('ArrowRight');
    await page.waitForSelector(`#tab-${tab}[aria-selected=true]`);
    expect(await page.locator('#view').innerText()).toContain(seen);
  }
});

test('layers say what is wasted, and open', async () => {
  await open('second', '#layers');
  const waste = await page.locator('.waste').innerText();
  expect(waste).toMatch(/300 kB\s+srv\/large/);
  expect(waste).toMatch(/100 kB\s+srv\/(small|again)\s.*\s+same as srv\/(small|again)/);
  // Two names of one file are one file.
  expect(waste).toContain('300 kB deleted later, 100 kB there twice.');
  const tile = page.locator('button.tile', { hasText: 'srv' }).first();
  // Beside the tiles that lie in it.
  await tile.click({ position: { x: 4, y: 4 } });
  expect(await page.locator('.crumbs').innerText()).toContain('srv');
  await page.locator('.crumbs button').first().click();
  expect(await page.locator('.crumbs button').count()).toBe(1);
});

test('light, dark, and a switch that the page remembers', async () => {
  const colour = () => page.evaluate('getComputedStyle(document.documentElement).backgroundColor');
  await open('first');
  const light = await colour();
  await page.emulateMedia({ colorScheme: 'dark' });
  const dark = await colour();
  expect(dark).not.toBe(light);
  await page.click('#theme');
  expect(await colour()).toBe(light);
  await page.reload();
  expect(await colour()).toBe(light);
  await page.keyboard.press('t');
  expect(await colour()).toBe(dark);
});

async function fitsPhone(...tabs: string[]): Promise<void> {
  for (const tab of tabs) {
    await page.click(`#tab-${tab}`);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390);
    expect(await page.evaluate("document.getElementById('view').scrollWidth")).toBe(390);
  }
}

test('nothing is wider than a phone, and a step covers the page until it is closed', async () => {
  await open('edge', '', { width: 390, height: 844 });
  await fitsPhone('timeline');
  await open('second', '', { width: 390, height: 844 });
  await fitsPhone('summary', 'graph', 'timeline', 'layers', 'history');
  await page.click('#tab-summary');
  await page.locator('.step-link').first().tap();
  await page.waitForSelector('.panel .instruction');
  await page.getByRole('button', { name: 'Close' }).tap();
  expect(await panel().count()).toBe(0);
});

test('300 steps: each is drawn, and of the output what there is place for', async () => {
  await open('large');
  expect(await page.locator('.node').count()).toBe(300);
  expect(await page.locator('.map .dot').count()).toBe(300);
  expect(await page.evaluate("document.querySelectorAll('*').length")).toBeLessThan(5000);
  await page.click('#tab-timeline');
  expect(await page.locator('button.row').count()).toBe(300);
  await page.fill('#search', 'line 9');
  await page.waitForSelector('[role=option]');
  expect(await page.locator('[role=option]').count()).toBeLessThanOrEqual(90);
  expect(readFileSync(file('large')).length).toBeLessThan(3_000_000);
});

test('whatever runs in it, the page asks nobody for anything', async () => {
  let hits = 0;
  const server = createServer((_, response) => {
    hits += 1;
    response.end();
  });
  await new Promise<void>((resume) => server.listen(0, '127.0.0.1', resume));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  await open('first');
  const refused = await page.evaluate(`(async () => {
    new Image().src = '${url}';
    const script = document.createElement('script');
    try { script.text = 'window.hacked = 1'; } catch { window.trusted = 1; }
    try { document.body.innerHTML = '<p>'; } catch { window.trusted += 1; }
    return fetch('${url}').then(() => 'fetched', () => [window.hacked, window.trusted]);
  })()`);
  server.close();
  expect(refused).toEqual([undefined, 2]);
  expect(hits).toBe(0);
  // Chromium says what it refused, and tells of requests that were never sent.
  expect(
    said
      .splice(0)
      .filter((text) => !/Content Security Policy|trusted|ERR_BLOCKED_BY_CSP/i.test(text)),
  ).toEqual([]);
  asked.splice(0);
});
