/**
 * Runs the cases of a folder: each is built with wiac, compared with what it expects, and, where
 * buildah knows the behaviour, with what buildah makes of it. README.md beside this file tells
 * what a case is made of.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execa } from 'execa';
import type { WarmCommand } from '../support/warm-command.js';
import { startWarm } from '../support/warm-command.js';
import { WIAC } from '../support/wiac.js';
import { makeBase } from './base.js';
import type { Case, Made } from './cases.js';
import { listCases, ours, pickConfig, prepareContext, readCase } from './cases.js';
import { compareWithExpectation } from './compare.js';
import { describeFiles, withMounted } from './describe.js';

interface Outcome {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

interface Tools {
  readonly directory: string;
  readonly wiac: (...args: string[]) => Promise<Outcome>;
  /** The same in a process that stays: there are hundreds of cases. */
  readonly warm: WarmCommand;
  readonly buildah: (...args: string[]) => Promise<Outcome>;
}

function openTools(): Tools {
  const directory = mkdtempSync(join(tmpdir(), 'wiac-conformance-'));
  const storage = ['--root', join(directory, 'root'), '--runroot', join(directory, 'runroot')];
  const env = {
    WIAC_ROOT: join(directory, 'store'),
    FROM_ENVIRONMENT: 'environment value',
    WIAC_SYNC: 'none',
  };
  const call = async (
    command: string,
    args: readonly string[],
    more: Readonly<Record<string, string>> = {},
  ): Promise<Outcome> => {
    const { exitCode, stdout, stderr } = await execa(command, args, {
      reject: false,
      stdin: 'ignore',
      env: { ...env, ...more },
    });
    return { exitCode, stdout, stderr };
  };
  return {
    directory,
    wiac: (...args) => call(process.execPath, [WIAC, ...args]),
    warm: startWarm(env),
    // A build starts fifteen programs in Go that end before it would pay to collect their garbage.
    buildah: (...args) =>
      call('buildah', [...storage, '--storage-driver', 'vfs', ...args], { GOGC: 'off' }),
  };
}

function succeed({ exitCode, stdout, stderr }: Outcome): string {
  if (exitCode !== 0) throw new Error(`exit code ${exitCode}: ${stderr}`);
  return stdout.trim();
}

async function buildWithWiac(tools: Tools, context: string, flags: readonly string[]) {
  const layout = mkdtempSync(join(tools.directory, 'layout-'));
  const output = `type=oci,tar=false,dest=${layout}`;
  const outcome = await tools.warm.wiac(['build', '-q', '-o', output, ...flags, context]);
  return { outcome, layout };
}

/** What wiac made: its layers mounted with mount(8), its config as it is exported. */
async function inspectWiac(lowerdirs: string, layout: string): Promise<Made> {
  const blob = (digest: string) =>
    JSON.parse(readFileSync(join(layout, 'blobs/sha256', digest.slice(7)), 'utf8'));
  const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'));
  const { config } = blob(blob(index.manifests[0].digest).config.digest);
  return { files: await withMounted(lowerdirs, describeFiles), config: pickConfig(config) };
}

async function inspectBuildah(tools: Tools, image: string): Promise<Made> {
  const inspected = JSON.parse(succeed(await tools.buildah('inspect', '--type', 'image', image)));
  const images = JSON.parse(
    readFileSync(join(tools.directory, 'root/vfs-images/images.json'), 'utf8'),
  ) as { id: string; layer?: string }[];
  const { layer } = images.find(({ id }) => id === inspected.FromImageID) ?? {};
  // vfs keeps the whole tree of each layer; FROM scratch and nothing else has none.
  const files =
    layer === undefined
      ? new Map<string, string>()
      : await describeFiles(join(tools.directory, 'root/vfs/dir', layer));
  return { files, config: pickConfig(inspected.Docker.config) };
}

function withoutFields(made: Made, at: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(made.config).filter(([field]) => !at.includes(`config.${field}`)),
  );
}

/** Each difference that is meant must be there: a sentence about nothing is a mistake. */
function expectDifferences(wiac: Made, buildah: Made, differs: Case['differs'] = []): void {
  const at = differs.map((item) => item.at);
  expect(ours(wiac.files, at)).toEqual(ours(buildah.files, at));
  expect(withoutFields(wiac, at)).toEqual(withoutFields(buildah, at));
  for (const path of at) {
    const view = ({ files, config }: Made) =>
      path.startsWith('config.')
        ? config[path.slice('config.'.length)]
        : ours(files).filter((line) => line.startsWith(`${path} `) || line.startsWith(`${path}/`));
    expect({ path, made: view(wiac) }).not.toEqual({ path, made: view(buildah) });
  }
}

async function runCase(tools: Tools, base: Made, name: string): Promise<void> {
  const { args = [], wiac = [], error, withoutBuildah, differs } = readCase(name);
  const temporary = mkdtempSync(join(tools.directory, 'case-'));
  const context = await prepareContext(name, temporary);
  const place = (flag: string) => flag.replaceAll('{context}', context);
  const { outcome, layout } = await buildWithWiac(tools, context, [...args, ...wiac].map(place));
  const buildahFlags = [
    ...['-q', '--isolation', 'chroot', '--format', 'docker', '--identity-label=false'],
    ...args.map(place),
  ];
  const askBuildah = () => tools.buildah('build', ...buildahFlags, context);
  if (error) {
    expect(outcome.stderr).toContain(error.message);
    expect({ exitCode: outcome.exitCode, stdout: outcome.stdout }).toEqual({
      exitCode: error.exitCode,
      stdout: '',
    });
    if (withoutBuildah === undefined) expect((await askBuildah()).exitCode).not.toBe(0);
    return;
  }
  const made = await inspectWiac(succeed(outcome), layout);
  compareWithExpectation(name, made, base);
  if (withoutBuildah !== undefined) return;
  const image =
    succeed(await askBuildah())
      .split('\n')
      .at(-1) ?? '';
  expectDifferences(made, await inspectBuildah(tools, image), differs);
}

/** Declares a test for each folder below `group`. */
export function conformance(group: string): void {
  const tools = openTools();
  let base: Made;
  beforeAll(async () => {
    const layout = await makeBase(tools.directory);
    succeed(await tools.wiac('pull', '-t', 'base', `oci-layout://${layout}:base`));
    const storage = `[vfs@${join(tools.directory, 'root')}+${join(tools.directory, 'runroot')}]`;
    const target = `containers-storage:${storage}localhost/base`;
    await execa('skopeo', ['copy', '-q', `oci:${layout}:base`, target]);
    base = await inspectBuildah(tools, 'localhost/base');
  });
  afterAll(async () => {
    await tools.warm.stop();
    rmSync(tools.directory, { recursive: true, force: true });
  });
  for (const name of listCases(group)) {
    test(`${name}: ${readCase(name).what}`, async () => {
      await runCase(tools, base, name);
    });
  }
  // Layers are told apart by digests that are put together from what was copied.
  test('each layer holds what its digest says', async () => {
    const { exitCode, stdout } = await tools.wiac('cache', 'verify', '--format=json');
    const { findings } = JSON.parse(stdout) as { findings: { readonly severity: string }[] };
    expect(findings.filter(({ severity }) => severity === 'damage')).toEqual([]);
    expect(exitCode).toBe(0);
  });
}
