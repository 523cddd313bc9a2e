/** Patches of files whose names are meant to be read as lines of a patch. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { filePatch } from '../../src/engine/contents/file-patches.js';
import { toBytes } from '../../src/util/byte-string.js';
import { tempDir } from '../support/wiac.js';

test.each([
  ['text', 'text\n'],
  ['binary', '\0'],
])('a name with a line of its own: %s', (_kind, content) => {
  const path = 'x\n+++ b~etc~passwd';
  const root = tempDir();
  writeFileSync(join(root, path), content);
  const after = { type: 'file', mode: 0o644, uid: 0, gid: 0, size: content.length } as const;
  const change = { path, before: undefined, after, isContent: false };
  const patch = filePatch([], [{ path: root, opaque: new Set() }], change);
  expect(patch).toContain('diff --git "a/x\\n+++ b~etc~passwd" "b/x\\n+++ b~etc~passwd"\n');
  expect(patch).not.toContain('\n+++ b');
});

// As git quotes them: bytes in octal numbers, whatever they stand for.
test.each([
  ['ä\\', 'a/\\303\\244\\\\', 'text\n'],
  ['\u{10FFFF}', 'a/\\377', 'text\n'],
  ['\u{10FF84}', 'a/\\204', '\0'],
])('a name that is not ASCII: %s', (path, name, content) => {
  const root = tempDir();
  writeFileSync(Buffer.concat([Buffer.from(`${root}/`), toBytes(path)]), content);
  const before = { type: 'file', mode: 0o644, uid: 0, gid: 0, size: content.length } as const;
  const change = { path, before, after: undefined, isContent: false };
  const patch = filePatch([{ path: root, opaque: new Set() }], [], change);
  expect(patch).toContain(`diff --git "${name}" `);
  expect(patch).toContain(content === '\0' ? `"${name}" and` : `\n--- "${name}"\n`);
});
