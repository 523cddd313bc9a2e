// Build contexts of the benchmark, made anew each time: nothing is fetched.
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const BUSYBOX = '/bin/busybox';

/** What a RUN needs. */
export function addBusybox(directory) {
  mkdirSync(join(directory, 'bin'), { recursive: true });
  copyFileSync(BUSYBOX, join(directory, 'bin/busybox'));
  for (const name of ['sh', 'echo', 'cat', 'ls', 'mkdir', 'sleep'])
    symlinkSync('busybox', join(directory, 'bin', name));
}

/** A context of these lines on a busybox base, the stage `base`. */
export function stepsContext(directory, lines) {
  addBusybox(directory);
  writeFileSync(
    join(directory, 'Dockerfile'),
    ['FROM scratch AS base', 'COPY bin /bin', ...lines, ''].join('\n'),
  );
}

/** RUN steps, 20 of them, on a busybox base. */
export function runContext(directory, count = 20) {
  const steps = Array.from({ length: count }, (_, index) => `RUN echo ${index} > /file${index}`);
  stepsContext(directory, steps);
}

/**
 * The contexts of cold builds, one a round. They differ in a file that all their steps depend on, so that a
 * builder with one store for all finds nothing in it.
 */
export function coldContexts(work, name, make) {
  return (round) => {
    const directory = join(work, `${name}-${round}`);
    if (existsSync(directory)) return directory;
    mkdirSync(directory);
    make(directory);
    writeFileSync(join(directory, 'bin/nonce'), `${directory}\n`);
    return directory;
  };
}

/**
 * Files of 4 KiB, 100 in a folder; 200 folders are 20,000 files and 80 MB. A RUN is behind their COPY:
 * nobody copies files without doing something with them.
 */
export function filesContext(directory, folders = 200) {
  addBusybox(directory);
  for (let folder = 0; folder < folders; folder++) {
    const path = join(directory, 'src', `folder${folder}`);
    mkdirSync(path, { recursive: true });
    for (let file = 0; file < 100; file++) {
      writeFileSync(
        join(path, `file${file}.txt`),
        `${folder} ${file}\n`.repeat(1024).slice(0, 4096),
      );
    }
  }
  writeFileSync(
    join(directory, 'Dockerfile'),
    'FROM scratch\nCOPY bin /bin\nCOPY src /src\nRUN ls /src > /list\n',
  );
}

/** The same files from a stage, at the path that they have there. */
export function stageContext(directory) {
  filesContext(directory);
  writeFileSync(
    join(directory, 'Dockerfile'),
    'FROM scratch AS files\nCOPY bin /bin\nCOPY src /src\nFROM scratch\nCOPY bin /bin\nCOPY --from=files /src /src\nRUN ls /src > /list\n',
  );
}

/**
 * A result of 170 MB in 7,000 files that a RUN has made, as package managers do, of six stages. gzip makes three
 * quarters of it.
 */
export function stagesContext(directory) {
  addBusybox(directory);
  writeFileSync(join(directory, 'note'), 'note\n');
  const install = [
    'mkdir /lib && busybox head -c 127500000 /dev/urandom',
    'busybox base64 -w 24300',
    `busybox awk '{ file = "/lib/f" NR; print > file; close(file) }'`,
  ].join(' | ');
  const stage = (name, from, ...lines) => [`FROM ${from} AS ${name}`, ...lines];
  const lines = [
    ...stage('base', 'scratch', 'COPY bin /bin', 'RUN echo base > /base'),
    ...stage('deps', 'base', 'COPY note /deps', 'RUN cat /deps > /installed'),
    ...stage('lib', 'deps', `RUN ${install}`, 'RUN ls /lib > /made'),
    ...stage('test', 'lib', 'RUN ls /lib > /tested'),
    ...stage('docs', 'base', 'COPY note /docs', 'RUN cat /docs > /pages'),
    ...stage('result', 'base', 'COPY --from=lib /lib /lib', 'COPY --from=test /tested /'),
    'COPY --from=docs /pages /',
    'RUN ls /lib > /list',
  ];
  writeFileSync(join(directory, 'Dockerfile'), `${lines.join('\n')}\n`);
}

/** 100 steps on a busybox base. */
export const manyStepsContext = (directory) => runContext(directory, 99);

/** Debian minbase, as mmdebstrap makes it: 170 MB in 7,000 files. */
export function debianContext(directory) {
  const tar = join(directory, 'base.tar');
  execFileSync('mmdebstrap', ['-q', '--variant=minbase', 'bookworm', tar], { stdio: 'inherit' });
  writeFileSync(join(directory, 'Dockerfile'), 'FROM scratch\nADD base.tar /\n');
}
