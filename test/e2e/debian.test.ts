/**
 * A real distribution: Debian minbase, with setuid files and file capabilities, goes registry ->
 * wiac pull -> a build that runs dpkg -> push -> skopeo and umoci unpack; what comes out is what
 * buildah makes of the same Dockerfile.
 */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { readTreeXattrs } from '../../src/fs/scan/tree-xattrs.js';
import { debianArchive, PATIENT } from '../support/debian-archive.js';
import { clone, exampleCommands } from '../support/examples.js';
import type { Registry } from '../support/registry.js';
import { startRegistry } from '../support/registry.js';
import { machine, tempDir, writeTree } from '../support/wiac.js';

const HOOK_MS = 300_000;

/** dpkg takes a package out and puts one in; then every kind of change that a layer can hold. */
const STEPS = [
  'COPY wiac-proof.deb /tmp/',
  'RUN dpkg --install /tmp/wiac-proof.deb && rm /tmp/wiac-proof.deb',
  'RUN dpkg --purge tzdata',
  'RUN rm -rf /usr/share/doc && mkdir /usr/share/doc && echo new > /usr/share/doc/README',
  'RUN mv /usr/share/bash-completion /usr/share/moved',
  // In one step: of a file of a layer below that gets a second name, buildah's vfs makes two files.
  'RUN echo twice > /etc/one && ln /etc/one /etc/other',
  'RUN chown 1234:4321 /etc/issue && chmod 4755 /usr/bin/wc && chmod 2770 /srv',
  'RUN cp /usr/bin/env /usr/bin/bind && setcap cap_net_bind_service+ep /usr/bin/bind',
  'RUN ln -s ../nowhere /opt/dangling && mkfifo /opt/fifo && truncate -s 100M /opt/sparse',
  // Both have the time of the run in them.
  'RUN rm -f /var/log/dpkg.log /var/log/alternatives.log /var/cache/ldconfig/aux-cache',
];

let registry: Registry;
let buildahStorage: string[];
let base: string;
let archive: string;
/** The commands of examples/debian: the one that makes the base, and what comes after it. */
let bootstrap: string;
let usage: string[];

const buildah = async (...args: string[]) =>
  (await execa('buildah', [...buildahStorage, ...args])).stdout.trim();

/** A package with a program that is setuid, a second name of it, and a configuration file. */
async function makePackage(directory: string): Promise<void> {
  const root = tempDir();
  writeTree(root, {
    'DEBIAN/control':
      'Package: wiac-proof\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@localhost>\nDescription: proof\n',
    'DEBIAN/conffiles': '/etc/wiac-proof.conf\n',
    'DEBIAN/postinst': '#!/bin/sh\nset -e\nln -f /usr/bin/proof /usr/bin/proof-too\n',
    'etc/wiac-proof.conf': 'a = 1\n',
    'usr/bin/proof': '#!/bin/sh\necho proof\n',
    'usr/bin/proof-link': '-> proof',
  });
  chmodSync(join(root, 'DEBIAN/postinst'), 0o755);
  chmodSync(join(root, 'usr/bin/proof'), 0o4755);
  await execa('dpkg-deb', ['--root-owner-group', '-b', root, join(directory, 'wiac-proof.deb')]);
}

beforeAll(async () => {
  registry = await startRegistry();
  const root = tempDir();
  buildahStorage = ['--root', join(root, 'root'), '--runroot', join(root, 'run')];
  buildahStorage.push('--storage-driver', 'vfs');
  const context = join(root, 'context');
  mkdirSync(context);
  [bootstrap = '', ...usage] = exampleCommands('debian').trim().split('\n');
  archive = await debianArchive();
  copyFileSync(archive, join(context, 'base.tar'));
  writeTree(context, { Dockerfile: 'FROM scratch\nADD base.tar /\nCMD ["sh"]\n' });
  base = `${registry.host}/debian:minbase`;
  await buildah('build', '--isolation', 'chroot', '-q', '-t', base, context);
  await buildah('push', '-q', '--tls-verify=false', base, `docker://${base}`);
}, HOOK_MS);

afterAll(() => registry.stop());

/** One line a file: all that there is to say of it but its time. */
async function getTree(root: string): Promise<string[]> {
  const xattrs = await readTreeXattrs(root);
  const names = new Map<number, string[]>();
  const lines: string[] = [];
  const visit = (directory: string) => {
    for (const name of readdirSync(join(root, directory)).sort()) {
      const path = join(directory, name);
      const file = join(root, path);
      const stats = lstatSync(file);
      const said = [path, (stats.mode >>> 0).toString(8), `${stats.uid}:${stats.gid}`];
      for (const [key, value] of xattrs.get(file) ?? []) said.push(`${key}=${value}`);
      if (stats.isSymbolicLink()) said.push(readlinkSync(file));
      if (stats.isFile()) {
        said.push(createHash('sha256').update(readFileSync(file)).digest('hex'));
        if (stats.nlink > 1) names.set(stats.ino, [...(names.get(stats.ino) ?? []), path]);
      }
      if (stats.isCharacterDevice() || stats.isBlockDevice()) said.push(String(stats.rdev));
      lines.push(said.join(' '));
      if (stats.isDirectory()) visit(path);
    }
  };
  visit('');
  for (const group of names.values()) lines.push(`linked: ${group.join(' ')}`);
  return lines;
}

/** Of `wiac repro`: the beginning of an instruction, a file that differs, and where that comes from. */
function logsNamed(report: string): string[][] {
  interface Step {
    readonly instruction: string;
    readonly findings: readonly { readonly path: string; readonly cause: string }[];
  }
  const [{ steps }] = JSON.parse(report).platforms as [{ steps: Step[] }];
  return steps.flatMap(({ instruction, findings }) =>
    findings.map(({ path, cause }) => [instruction.split(' ').slice(0, 3).join(' '), path, cause]),
  );
}

describe('Debian minbase', () => {
  test(
    'pull, dpkg, push, unpack: the tree is the one that buildah makes',
    async () => {
      const { wiac } = machine();
      const context = tempDir();
      writeTree(context, { Dockerfile: [`FROM ${base}`, ...STEPS, ''].join('\n') });
      await makePackage(context);
      expect(await wiac(['pull', base])).toMatchObject({ exitCode: 0 });
      const built = await wiac(['build', '-q', '-t', 'proof', context]);
      expect(built).toMatchObject({ exitCode: 0, stderr: '' });
      // Which steps the logs of dpkg make another one; the last step removes them.
      const again = await wiac(['repro', '-q', '--json', context]);
      expect(again).toMatchObject({ exitCode: 13, stderr: '' });
      expect(logsNamed(again.stdout)).toEqual([
        ['RUN dpkg --install', '/var/log/dpkg.log', 'package-manager'],
        ['RUN dpkg --purge', '/var/log/dpkg.log', 'package-manager'],
      ]);
      const pushed = await wiac(['push', 'proof', `${registry.host}/proof`]);
      expect(pushed).toMatchObject({ exitCode: 0 });

      const root = tempDir();
      const layout = `oci:${join(root, 'layout')}:proof`;
      const from = `docker://${registry.host}/proof`;
      await execa('skopeo', ['copy', '-q', '--src-tls-verify=false', from, layout]);
      const image = `${join(root, 'layout')}:proof`;
      await execa('umoci', ['unpack', '--image', image, join(root, 'bundle')]);
      const ours = await getTree(join(root, 'bundle/rootfs'));

      const flags = ['--isolation', 'chroot', '--tls-verify=false', '-q', '-t', 'proof'];
      await buildah('build', ...flags, context);
      const container = await buildah('from', '--pull-never', 'proof');
      const theirs = await getTree(await buildah('mount', container));
      await buildah('umount', container);

      // What buildah mounts its own file over is left behind in the first layer of a RUN.
      expect(ours).toEqual(theirs.filter((line) => !line.startsWith('etc/hosts ')));
      expect(ours.length).toBeGreaterThan(5000);
      for (const expected of [
        /^usr\/bin\/ping 100755 0:0 security\.capability=/,
        /^usr\/bin\/bind 100755 0:0 security\.capability=/,
        /^usr\/bin\/passwd 104755 0:0 /,
        /^usr\/bin\/proof 104755 0:0 /,
        /^srv 42770 0:0$/,
        /^etc\/issue 100644 1234:4321 /,
        /^opt\/fifo 10644 /,
        /^opt\/dangling .* \.\.\/nowhere$/,
        /^linked: etc\/one etc\/other$/,
        /^linked: usr\/bin\/proof usr\/bin\/proof-too$/,
      ])
        expect(ours).toContainEqual(expect.stringMatching(expected));
      const docs = ours.filter((line) => line.startsWith('usr/share/doc/'));
      expect(docs.map((line) => line.split(' ')[0])).toEqual(['usr/share/doc/README']);
      expect(ours).not.toContainEqual(expect.stringMatching(/^usr\/share\/zoneinfo\/Europe/));

      const ran = await wiac(['run', 'proof', 'proof-too']);
      expect(ran).toMatchObject({ exitCode: 0, stdout: 'proof\n' });
    },
    HOOK_MS,
  );
});

describe('examples', () => {
  const run = (script: string, place: ReturnType<typeof clone>) =>
    execa('sh', ['-ec', script], { ...place, all: true });

  test('debian does what its README says', async () => {
    expect(bootstrap).toMatch(/^mmdebstrap .* examples\/debian\/base\.tar$/);
    const example = clone();
    copyFileSync(archive, join(example.cwd, 'examples/debian/base.tar'));
    const { all } = await run(usage.join('\n'), example);
    expect(all).toMatch(/^a base of your own\n[a-z0-9]+$/m);
    expect(await run(`wiac why examples/debian`, example)).toMatchObject({
      all: 'every step is in the cache',
    });
  });

  test('c does what its README says', async () => {
    const commands = exampleCommands('c').replace(/^mmdebstrap/, `mmdebstrap ${PATIENT}`);
    const { all } = await run(commands, clone());
    expect(all).toMatch(/^hello from C$/m);
    expect(all).toMatch(/^\[build 2\/2\] done/m);
    expect(all).toContain('CACHED (same content) COPY --from=build');
  });
});
