// What esbuild.config.js does so that `wiac` starts fast, beyond bundling. Each trick has its gain
// beside it: medians of 25 runs in turn with and without it, Node 20, of a cached build (85 ms) or a
// push of what the registry has (125 ms of processor time). CONTRIBUTING.md lists what was dropped.
import { createRequire } from 'node:module';

/** Packages that most commands do without: files of their own, loaded when they are asked for. */
export const APART = [
  'bullmq',
  'execa',
  'fast-glob',
  'ioredis',
  'pino',
  'prom-client',
  'tar-stream',
  'undici',
  'yaml',
];

/** bullmq uses the file of ioredis, and has no copy of its own. */
export const sharedClient = {
  name: 'shared-client',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^ioredis$/ }, ({ path, kind }) =>
      kind === 'entry-point' ? undefined : { path, namespace: 'shared-client' },
    );
    onLoad({ filter: /./, namespace: 'shared-client' }, () => ({
      contents: "module.exports = wiacRequire('./ioredis.cjs');",
    }));
  },
};

/** Replaces modules by others. `contentsOf` gives an expression of CommonJS. */
function replaced(name, filter, contentsOf) {
  return {
    name,
    setup({ onResolve, onLoad }) {
      onResolve({ filter }, ({ path }) => ({ path, namespace: name }));
      onLoad({ filter: /./, namespace: name }, ({ path }) => ({
        contents: `module.exports = ${contentsOf(path)};`,
        resolveDir: '.',
      }));
    },
  };
}

/** An expression of what a module exports, which loads it when the first of it is used. */
function late(name, path) {
  const { [name]: _, ...members } = createRequire(import.meta.url)(name);
  const getters = Object.keys(members).map((key) => `get ${key}() { return load().${key}; }`);
  return `(() => { const load = () => wiacRequire('${path}'); return { ${getters.join(',')} }; })()`;
}

/** Imports of those packages load their files. */
export const apart = replaced('apart', new RegExp(`^(${APART.join('|')})$`), (name) =>
  // The one that modules of a cached build import, and do not use: 1 ms.
  name === 'tar-stream' ? late(name, `./${name}.cjs`) : `wiacRequire('./${name}.cjs')`,
);

/** The same of Node: 1.5 ms, and 3 where the output is no pipe, for which Node itself needs some of them. */
export const lateParts = replaced(
  'late-parts',
  /^node:(child_process|fs\/promises|stream\/promises|timers\/promises|worker_threads|zlib)$/,
  (name) => late(name, name),
);

/**
 * lmdb becomes a part of main.cjs, whose compiled code is kept: 18 ms of a cached build. Its native
 * part is the one file that can't be bundled; native-addon.ts finds it, 6 ms faster than the package
 * that lmdb uses for that.
 */
export const lmdbInside = [
  {
    name: 'lmdb',
    setup({ onResolve }) {
      // What `import` would get is a dozen modules that can't be linked into CommonJS.
      onResolve({ filter: /^lmdb$/ }, () => ({
        path: createRequire(import.meta.url).resolve('lmdb'),
      }));
    },
  },
  replaced(
    'native-addon',
    /^node-gyp-build-optional-packages$/,
    () => "require('./src/start/native-addon.ts').loadAddon",
  ),
  // An optional native part of lmdb's encoder, which looks for it with the same package.
  replaced('extract', /^msgpackr-extract$/, () => 'undefined'),
];

/** For bundles that are ES modules, in which lmdb would not know where it is: tests. */
export const lmdbOutside = replaced('lmdb-outside', /^lmdb$/, () => "wiacRequire('lmdb')");

/**
 * No registry is asked for HTTP/2, and undici goes without where Node was built without: 10 ms of a
 * push.
 */
export const withoutHttp2 = replaced('http2', /^node:http2$/, () => '{ constants: {} }');

/** What modules import only when it is needed: a program that declares a command need not have it. */
export const withoutLate = {
  name: 'without-late',
  setup({ onResolve }) {
    onResolve({ filter: /./ }, ({ path, kind }) =>
      kind === 'dynamic-import' ? { path, external: true } : undefined,
    );
  },
};
