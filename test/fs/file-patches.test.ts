/** Patches of files whose names are meant to be read as lines of a patch. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { filePatch } from '../../src/engine/contents/file-patches.js';
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
