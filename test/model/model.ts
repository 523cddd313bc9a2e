/**
 * What a Dockerfile of a small language makes of a build context, and which of its steps have to
 * run: an oracle that shares no code with src/.
 */

import { createHash } from 'node:crypto';

/** A regular file. */
export interface FileNode {
  readonly type: 'f';
  readonly content: string;
  readonly mode: number;
  /** Value of the attribute user.k. */
  readonly xattr: string;
  /** Equal for names of one file. */
  readonly inode: number;
}

/** A file of the context or of an image. Everything belongs to root; directories have mode 755. */
export type Node =
  | { readonly type: 'd' }
  | { readonly type: 'l'; readonly target: string }
  | FileNode;

/** Nodes by path. */
export type Files = ReadonlyMap<string, Node>;

/** Where the link `l` of the context may lead, and what .dockerignore may say. */
export const LINK_TARGETS = ['d', 'd/e'] as const;
export const IGNORES = [[], ['d/a'], ['d/e/a'], ['d/*', '!d/e'], ['**/b', '!b']] as const;

/** Does .dockerignore leave a path of the context out? Written out for the paths that there are. */
function isIgnored(path: string, ignore: number): boolean {
  const left = [[], ['d/a'], ['d/e/a'], ['d/a', 'd/b'], ['d/b', 'd/e/b']][ignore] ?? [];
  return left.includes(path);
}

/** A context: its files, where `l` leads, and which of the ignore files it has. */
export interface Context {
  readonly files: Files;
  readonly link: number;
  readonly ignore: number;
}

/** RUN. */
export interface RunInstruction {
  readonly kind: 'echo' | 'cat' | 'remove';
  readonly slot: number;
}

/** One instruction; `slot` numbers the places it works on, so that those of two stages differ. */
export type Instruction =
  | { readonly kind: 'copy'; readonly source: 'a' | 'b' | 'd' | 'l'; readonly slot: number }
  | { readonly kind: 'from'; readonly slot: number }
  | { readonly kind: 'env'; readonly value: number }
  | { readonly kind: 'arg'; readonly value: number }
  | { readonly kind: 'workdir'; readonly deep: boolean }
  | RunInstruction;

/** Two stages; the second is built, the first only if something is copied from it. */
export interface Program {
  readonly one: readonly Instruction[];
  readonly two: readonly Instruction[];
}

type StageName = keyof Program;

const place = (stage: StageName, slot: number) => `${stage}${slot}`;

/** Line of the Dockerfile. */
function line(stage: StageName, instruction: Instruction): string {
  switch (instruction.kind) {
    case 'copy': {
      const slash = instruction.source === 'd' || instruction.source === 'l' ? '' : '/';
      return `COPY ${instruction.source} /${place(stage, instruction.slot)}${slash}`;
    }
    case 'from':
      return `COPY --from=one /one${instruction.slot} /from${instruction.slot}`;
    case 'env':
      return `ENV V=${instruction.value}`;
    case 'arg':
      return `ARG A=${instruction.value}`;
    case 'workdir':
      return `WORKDIR /work-${stage}${instruction.deep ? '/deep' : ''}`;
    case 'echo':
      return `RUN echo "$V-$A" > /echo-${place(stage, instruction.slot)}`;
    case 'cat': {
      const directory = `/${place(stage, instruction.slot)}`;
      return `RUN cat ${directory}/a ${directory}/b > /cat-${place(stage, instruction.slot)} 2> /dev/null || true`;
    }
    case 'remove':
      return `RUN rm -f /${place(stage, instruction.slot)}/a`;
  }
}

/** The Dockerfile. */
export function getDockerfile({ one, two }: Program): string {
  const stage = (name: StageName, instructions: readonly Instruction[]) => [
    `FROM scratch AS ${name}`,
    'COPY bin /bin',
    ...instructions.map((instruction) => line(name, instruction)),
  ];
  // Made in the first stage whatever happens, so that there is something to copy.
  const seeds = [0, 1].map((slot) => line('one', { kind: 'copy', source: 'd', slot }));
  const [head = '', bin = '', ...rest] = stage('one', one);
  return [head, bin, ...seeds, ...rest, ...stage('two', two), ''].join('\n');
}

/** A stage while it is carried out. */
interface State {
  readonly files: Map<string, Node>;
  /** What each layer holds, as text that is equal when the layers are. */
  readonly layers: string[];
  readonly env: Map<string, string>;
  workdir: string;
}

/** A step of a build. */
export interface PredictedStep {
  readonly text: string;
  /** Everything that it can see. */
  readonly inputs: string;
  /** Its instruction with the files it takes from the context, and the same of all that it follows. */
  readonly definition: string;
  /** Definitions of the step below it, and of the one that it copies from. */
  readonly parents: readonly string[];
  /** It copies from another stage. */
  readonly reads: boolean;
}

/** What the model says of a build. */
export interface Prediction {
  readonly files: Files;
  /** In the order of the Dockerfile. */
  readonly steps: readonly PredictedStep[];
  /** How many steps of these, the last ones, the result is made of. */
  readonly ofResult: number;
}

const DIRECTORY: Node = { type: 'd' };

/** Entries below a directory with their path from there. */
function below(files: Files, directory: string): [string, Node][] {
  return [...files]
    .filter(([path]) => path.startsWith(`${directory}/`))
    .map(([path, node]): [string, Node] => [path.slice(directory.length + 1), node])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Content of a file, through one symbolic link beside it. */
function read(files: Files, path: string): string {
  const node = files.get(path);
  if (node?.type === 'f') return node.content;
  if (node?.type !== 'l') return '';
  const target = files.get(path.slice(0, path.lastIndexOf('/') + 1) + node.target);
  return target?.type === 'f' ? target.content : '';
}

let inodes = 0;

/** A number that no other file has. */
export function newInode(): number {
  inodes += 1;
  return inodes;
}

/** Paths that are names of one file, in groups. */
function groups(nodes: readonly [string, Node][]): string[][] {
  const found = new Map<number, string[]>();
  for (const [path, node] of nodes)
    if (node.type === 'f') found.set(node.inode, [...(found.get(node.inode) ?? []), path]);
  return [...found.values()].filter((paths) => paths.length > 1).map((paths) => paths.sort());
}

/** Nodes as text that is equal when they are, whatever the numbers of their inodes. */
function described(nodes: readonly [string, Node][]): string {
  const plainNodes = nodes.map(([path, node]) => [path, { ...node, inode: undefined }]);
  return JSON.stringify([plainNodes, groups(nodes).sort()]);
}

/** Copies of files: names of one file stay names of one file. */
function copied(nodes: readonly [string, Node][]): [string, Node][] {
  const now = new Map<number, number>();
  return nodes.map(([path, node]) => {
    if (node.type !== 'f') return [path, node];
    const inode = now.get(node.inode) ?? newInode();
    now.set(node.inode, inode);
    return [path, { ...node, inode }];
  });
}

/** Writes nodes as one layer. */
function write(state: State, nodes: readonly [string, Node][], removed: readonly string[]): void {
  for (const [path, node] of nodes) state.files.set(path, node);
  for (const path of removed) state.files.delete(path);
  state.layers.push(`${described(nodes)} ${JSON.stringify(removed)}`);
}

const plain = (content: string): Node => ({
  type: 'f',
  content,
  mode: 0o644,
  xattr: '',
  inode: newInode(),
});

function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}

/** Carries out what a RUN does. */
function run(state: State, stage: StageName, { kind, slot }: RunInstruction): void {
  const directory = place(stage, slot);
  if (kind === 'echo') {
    const text = `${state.env.get('V') ?? ''}-${state.env.get('A') ?? ''}\n`;
    write(state, [[`echo-${directory}`, plain(text)]], []);
  } else if (kind === 'cat') {
    const text = ['a', 'b'].map((name) => read(state.files, `${directory}/${name}`)).join('');
    write(state, [[`cat-${directory}`, plain(text)]], []);
  } else {
    const path = `${directory}/a`;
    const there = state.files.has(path);
    write(state, there ? [[directory, DIRECTORY]] : [], there ? [path] : []);
  }
}

/** Nodes that a COPY takes, by their path at the destination. */
function selected({ files, link, ignore }: Context, source: string): [string, Node][] {
  const path = source === 'l' ? (LINK_TARGETS[link] ?? '') : source;
  const visible = new Map([...files].filter(([name]) => !isIgnored(name, ignore)));
  const node = visible.get(path);
  if (node?.type === 'd') return below(visible, path);
  return node ? [[source, node]] : [];
}

/**
 * Carries a stage out.
 * @param one the files of the first stage, for COPY --from
 * @param lastOfOne the definition of its last step
 */
function predictStage(
  stage: StageName,
  instructions: readonly Instruction[],
  context: Context,
  one: Files,
  lastOfOne: string | undefined,
): Prediction {
  const state: State = { files: new Map(), layers: ['bin'], env: new Map(), workdir: '/' };
  const steps: PredictedStep[] = [];
  const addStep = (text: string, inputs: string, given: unknown, from?: string) => {
    const below = steps.at(-1)?.definition;
    const parents = [below, from].filter((parent) => parent !== undefined);
    const definition = digest([text, given, parents]);
    steps.push({ text, inputs, definition, parents, reads: from !== undefined });
  };
  addStep('COPY bin /bin', 'bin', null);
  for (const instruction of instructions) {
    const text = line(stage, instruction);
    if (instruction.kind === 'env') state.env.set('V', String(instruction.value));
    else if (instruction.kind === 'arg') state.env.set('A', String(instruction.value));
    else if (instruction.kind === 'workdir') {
      const path = text.slice('WORKDIR /'.length);
      const parts = path.split('/');
      const paths = parts.map((_, index) => parts.slice(0, index + 1).join('/'));
      const missing = paths.filter((item) => !state.files.has(item));
      addStep(text, JSON.stringify([text, missing]), null);
      state.workdir = `/${path}`;
      // The directories above are in the layer as well, with the modes they have.
      if (missing.length > 0)
        write(
          state,
          paths.map((item) => [item, DIRECTORY]),
          [],
        );
    } else if (instruction.kind === 'copy' || instruction.kind === 'from') {
      const from = instruction.kind === 'from';
      const target = from ? `from${instruction.slot}` : place(stage, instruction.slot);
      const nodes = from
        ? below(one, `one${instruction.slot}`)
        : selected(context, instruction.source);
      const inputs = JSON.stringify([text, described(nodes), state.files.has(target)]);
      if (from) addStep(text, inputs, null, lastOfOne);
      else addStep(text, inputs, described(nodes));
      const placed = copied(nodes).map(([path, node]): [string, Node] => [
        `${target}/${path}`,
        node,
      ]);
      write(state, [[target, DIRECTORY], ...placed], []);
    } else {
      const env = ['V', 'A'].map((name) => state.env.get(name) ?? null);
      const inputs = JSON.stringify([text, env, state.workdir, state.layers]);
      addStep(text, inputs, [env, state.workdir]);
      run(state, stage, instruction);
    }
  }
  return { files: state.files, steps, ofResult: steps.length };
}

/** What a build of the program in this context is to give. */
export function predict({ one, two }: Program, context: Context): Prediction {
  const seeds = [0, 1].map((slot): Instruction => ({ kind: 'copy', source: 'd', slot }));
  const first = predictStage('one', [...seeds, ...one], context, new Map(), undefined);
  const last = first.steps.at(-1)?.definition;
  const second = predictStage('two', two, context, first.files, last);
  const needed = two.some(({ kind }) => kind === 'from');
  return { ...second, steps: [...(needed ? first.steps : []), ...second.steps] };
}

/** Files as the listing of a mounted result has them; see cache-model.test.ts. */
export function listing(files: Files): string[] {
  const links = groups([...files]).map((paths) => `one file: ${paths.join(' ')}`);
  return [...files]
    .flatMap(([path, node]) => {
      if (node.type === 'd') return [`./${path} d 755 0:0 `];
      if (node.type === 'l') return [`./${path} l 777 0:0 ${node.target}`];
      const lines = node.content.split('\n').slice(0, -1);
      return [
        `./${path} f ${node.mode.toString(8)} 0:0 `,
        ...lines.map((item) => `./${path}:${item}`),
        ...(node.xattr === '' ? [] : [`./${path} user.k="${node.xattr}"`]),
      ];
    })
    .concat(links)
    .sort();
}
