// The picture of the README: builds docs/report-example and takes a screenshot of its report.
// `node docs/draw-report.js` writes docs/report.png.
import {
  appendFileSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { execa } from 'execa';
import { chromium } from 'playwright-core';

const DOCS = fileURLToPath(new URL('.', import.meta.url));
const WIAC = join(DOCS, '../dist/wiac.cjs');
const APPLETS = 'sh mkdir echo cat dd sleep wc basename tar rm cp'.split(' ');

/** A copy of the example with busybox in it. */
function makeContext(work) {
  const context = join(work, 'shop');
  cpSync(join(DOCS, 'report-example'), context, { recursive: true });
  mkdirSync(join(context, 'bin'));
  copyFileSync('/bin/busybox', join(context, 'bin/busybox'));
  for (const applet of APPLETS) symlinkSync('busybox', join(context, 'bin', applet));
  return context;
}

/** Three builds, as somebody makes them who changes a file before the last one. @returns the last one's report */
async function makeReport(work) {
  const context = makeContext(work);
  const report = 'report.html';
  const build = () =>
    execa(
      process.execPath,
      [WIAC, 'build', '-q', '-t', 'example.org/shop:2.1', '--report', report, 'shop'],
      {
        cwd: work,
        env: { WIAC_ROOT: join(work, 'store') },
      },
    );
  await build();
  await build();
  appendFileSync(join(context, 'src/parse.c'), '/* better */\n');
  appendFileSync(join(context, 'manual/tour.txt'), 'More of it.\n');
  await build();
  return join(work, report);
}

const work = mkdtempSync(join(tmpdir(), 'wiac-picture-'));
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox'],
});
try {
  const page = await browser.newPage({
    viewport: { width: 1240, height: 760 },
    colorScheme: 'light',
  });
  await page.goto(pathToFileURL(await makeReport(work)).href);
  await page.waitForSelector('.node');
  await page.screenshot({ path: join(DOCS, 'report.png') });
} finally {
  await browser.close();
  rmSync(work, { recursive: true, force: true });
}
