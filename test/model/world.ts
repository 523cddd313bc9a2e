/** Random programs, random edits, and the context that they work on, on disk and as the model has it. */
import {
  chmodSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import fc from 'fast-check';
import type { FileNode, Instruction, Node, Program } from './model.js';
import { IGNORES, LINK_TARGETS, newInode } from './model.js';

const slot = fc.integer({ min: 0, max: 1 });
const value = fc.integer({ min: 0, max: 2 });
const source = fc.constantFrom<'a' | 'b' | 'd' | 'l'>('a', 'b', 'd', 'l');

const common: fc.Arbitrary<Instruction>[] = [
  fc.record({ kind: fc.constant('copy' as const), source, slot }),
  fc.record({ kind: fc.constant('env' as const), value }),
  fc.record({ kind: fc.constant('arg' as const), value }),
  fc.record({ kind: fc.constantFrom('echo' as const, 'cat' as const, 'remove' as const), slot }),
  fc.record({ kind: fc.constant('workdir' as const), deep: fc.boolean() }),
];
const inFirst = fc.oneof(...common);
const inSecond = fc.oneof(fc.record({ kind: fc.constant('from' as const), slot }), ...common);

export const program: fc.Arbitrary<Program> = fc.record({
  one: fc.array(inFirst, { maxLength: 3 }),
  two: fc.array(inSecond, { minLength: 1, maxLength: 4 }),
});

/** Files that edits work on; a, b and d itself stay, because COPY names them. */
const PATHS = ['a', 'b', 'd/a', 'd/b', 'd/e/a'] as const;
const path = fc.constantFrom(...PATHS);
const inside = fc.constantFrom(...PATHS.slice(2));

export type Edit =
  | { readonly edit: 'content'; readonly path: string; readonly value: number }
  | { readonly edit: 'mode'; readonly path: string; readonly mode: number }
  | { readonly edit: 'xattr'; readonly path: string; readonly value: number }
  | { readonly edit: 'touch' | 'rewrite'; readonly path: string }
  | { readonly edit: 'delete'; readonly path: string }
  | { readonly edit: 'link'; readonly path: string; readonly value: number }
  | { readonly edit: 'rename' | 'hardlink'; readonly path: string; readonly to: string }
  | { readonly edit: 'relink' | 'ignore'; readonly value: number }
  | {
      readonly edit: 'during';
      readonly path: string;
      readonly value: number;
      readonly after: number;
    }
  | { readonly edit: 'insert'; readonly at: number; readonly instruction: Instruction }
  | { readonly edit: 'drop'; readonly at: number }
  | { readonly edit: 'first'; readonly instruction: Instruction };

export const editing: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({ edit: fc.constant('content' as const), path, value }),
  fc.record({
    edit: fc.constant('mode' as const),
    path,
    mode: fc.constantFrom(0o644, 0o600, 0o755),
  }),
  fc.record({ edit: fc.constant('xattr' as const), path, value }),
  fc.record({ edit: fc.constantFrom('touch' as const, 'rewrite' as const), path }),
  fc.record({ edit: fc.constant('delete' as const), path: inside }),
  fc.record({ edit: fc.constant('link' as const), path: inside, value }),
  fc.record({
    edit: fc.constantFrom('rename' as const, 'hardlink' as const),
    path: inside,
    to: inside,
  }),
  fc.record({ edit: fc.constant('relink' as const), value: fc.nat(LINK_TARGETS.length - 1) }),
  fc.record({ edit: fc.constant('ignore' as const), value: fc.nat(IGNORES.length - 1) }),
  fc.record({
    edit: fc.constant('during' as const),
    path: inside,
    value,
    after: fc.nat(40),
  }),
  fc.record({ edit: fc.constant('insert' as const), at: fc.nat(4), instruction: inSecond }),
  fc.record({ edit: fc.constant('drop' as const), at: fc.nat(3) }),
  fc.record({ edit: fc.constant('first' as const), instruction: inFirst }),
);

/** A context on disk and as the model has it. */
export interface World {
  readonly root: string;
  readonly files: Map<string, Node>;
  program: Program;
  link: number;
  ignore: number;
  /** A file was edited while a build ran: what the cache holds since nobody can tell. */
  raced: boolean;
}

/** The same time for every file: a change must be seen by something else. */
const LONG_AGO = 1_000_000_000;

async function writeNode(world: World, name: string, node: Node): Promise<void> {
  const file = join(world.root, name);
  world.files.set(name, node);
  if (node.type === 'd') return void mkdirSync(file, { recursive: true });
  rmSync(file, { force: true });
  if (node.type === 'l') return symlinkSync(node.target, file);
  writeFileSync(file, node.content);
  chmodSync(file, node.mode);
  if (node.xattr !== '') await execa('setfattr', ['-n', 'user.k', '-v', node.xattr, file]);
  utimesSync(file, LONG_AGO, LONG_AGO);
}

const file0 = (): FileNode => ({
  type: 'f',
  content: '0\n',
  mode: 0o644,
  xattr: '',
  inode: newInode(),
});

export type FileEdit = Exclude<Extract<Edit, { path: string }>, { edit: 'during' }>;

export async function editFile(world: World, edit: FileEdit): Promise<void> {
  const { root, files } = world;
  const file = join(root, edit.path);
  const before = files.get(edit.path);
  // Written anew it is a file of its own.
  const node = { ...(before?.type === 'f' ? before : file0()), inode: newInode() };
  switch (edit.edit) {
    case 'content': {
      const content = `${edit.value}\n`;
      // In place, with the same size and time: as an editor's quick second save.
      if (before?.type !== 'f') return writeNode(world, edit.path, { ...file0(), content });
      writeFileSync(file, content);
      utimesSync(file, LONG_AGO, LONG_AGO);
      for (const [name, other] of files)
        if (other.type === 'f' && other.inode === before.inode)
          files.set(name, { ...other, content });
      return;
    }
    case 'mode':
      return writeNode(world, edit.path, { ...node, mode: edit.mode });
    case 'xattr':
      return writeNode(world, edit.path, { ...node, xattr: String(edit.value) });
    case 'rewrite':
      if (before?.type === 'f') return writeNode(world, edit.path, node);
      return before && writeNode(world, edit.path, before);
    case 'touch':
      if (before?.type === 'f') utimesSync(file, LONG_AGO + 1, LONG_AGO + 1);
      return;
    case 'delete':
      rmSync(file, { force: true });
      files.delete(edit.path);
      return;
    case 'link':
      return writeNode(world, edit.path, { type: 'l', target: `${'ab'[edit.value] ?? 'nowhere'}` });
    case 'rename':
      if (!before || edit.to === edit.path || sameFile(before, files.get(edit.to))) return;
      renameSync(file, join(root, edit.to));
      files.delete(edit.path);
      files.set(edit.to, before);
      return;
    case 'hardlink':
      if (before?.type !== 'f' || edit.to === edit.path) return;
      rmSync(join(root, edit.to), { force: true });
      linkSync(file, join(root, edit.to));
      files.set(edit.to, before);
  }
}

/** rename(2) of one name of a file to another one does nothing. */
function sameFile(a: Node, b: Node | undefined): boolean {
  return a.type === 'f' && b?.type === 'f' && a.inode === b.inode;
}

function setLink(world: World, value: number): void {
  rmSync(join(world.root, 'l'), { force: true });
  symlinkSync(LINK_TARGETS[value] ?? '', join(world.root, 'l'));
  world.link = value;
}

function setIgnore(world: World, value: number): void {
  writeFileSync(join(world.root, '.dockerignore'), `${(IGNORES[value] ?? []).join('\n')}\n`);
  world.ignore = value;
}

export async function apply(world: World, edit: Edit): Promise<void> {
  const { one, two } = world.program;
  if (edit.edit === 'insert') {
    const at = Math.min(edit.at, two.length);
    world.program = { one, two: [...two.slice(0, at), edit.instruction, ...two.slice(at)] };
  } else if (edit.edit === 'drop') {
    if (two.length > 1) world.program = { one, two: two.filter((_, index) => index !== edit.at) };
  } else if (edit.edit === 'first') {
    world.program = { one: [edit.instruction, ...one.slice(1)], two };
  } else if (edit.edit === 'relink') setLink(world, edit.value);
  else if (edit.edit === 'ignore') setIgnore(world, edit.value);
  else if ('path' in edit && edit.edit !== 'during') await editFile(world, edit);
}

export async function newWorld(root: string, written: Program): Promise<World> {
  const world: World = {
    root,
    files: new Map(),
    program: written,
    link: 0,
    ignore: 0,
    raced: false,
  };
  mkdirSync(join(root, 'bin'), { recursive: true });
  copyFileSync('/bin/busybox', join(root, 'bin/busybox'));
  for (const applet of ['sh', 'cat', 'rm']) symlinkSync('busybox', join(root, 'bin', applet));
  for (const name of PATHS) {
    if (dirname(name) !== '.') await writeNode(world, dirname(name), { type: 'd' });
    await writeNode(world, name, file0());
  }
  setLink(world, 0);
  setIgnore(world, 0);
  return world;
}

const LISTING = `mount -t overlay overlay -o "ro,lowerdir=$1:$2" "$2" && cd "$2" || exit 1
find . -mindepth 1 -path ./bin -prune -o -mindepth 1 -printf '%p %y %m %U:%G %l\\n'
find . -path ./bin -prune -o -type f -exec grep -H '' {} +
find . -path ./bin -prune -o -type f -links +1 -printf '%i %P\\n' | sort | awk '{ names[$1] = names[$1] " " $2 } END { for (i in names) if (split(names[i], n, " ") > 1) print "one file:" names[i] }'
getfattr -h -P -R -m user.k -d . | sed -n 's/^# file: //;t name;/^user/{G;s/\\(.*\\)\\n\\(.*\\)/.\\/\\2 \\1/;p};b;:name;h'`;

/** A lowerdir string mounted: names, types, modes, owners, content, attributes. */
export async function mounted(lowerdirs: string, empty: string): Promise<string[]> {
  const args = ['--mount', 'sh', '-c', LISTING, 'sh', lowerdirs, empty];
  const { stdout } = await execa('unshare', args);
  return stdout.split('\n').filter(Boolean).sort();
}
