/** What the functions of the library take: the kinds of their arguments. */
import type { Kind, Members } from './value-kinds.js';
import {
  amount,
  anObject,
  anyText,
  call,
  count,
  either,
  flag,
  having,
  listOf,
  mapOf,
  number,
  oneOf,
  optional,
  signal,
  text,
} from './value-kinds.js';

export const texts = listOf(text);
export const store: Kind = (value, name) =>
  having({ paths: anObject, index: anObject })(value, name) &&
  `${name} has to be what openStore gives`;

/** One that is misspelt, or no number, would be no limit. */
export const limits = having(
  {
    memory: optional(amount),
    memorySwap: optional(number),
    cpuQuota: optional(number),
    cpuPeriod: optional(amount),
    cpuShares: optional(amount),
    cpusetCpus: optional(text),
    cpusetMems: optional(text),
    pids: optional(number),
  },
  'only',
);
const resources = having(
  {
    extraHosts: optional(texts),
    shmSize: optional(amount),
    ulimits: optional(listOf(having({ resource: amount, soft: number, hard: number }))),
    noHosts: optional(flag),
    resolver: optional(either(oneOf('none'), anObject)),
    capabilities: optional(having({ add: listOf(amount), drop: listOf(amount) })),
    volumes: optional(
      listOf(having({ source: text, target: text, readOnly: flag, discard: flag })),
    ),
    users: optional(anObject),
  },
  'only',
);
const resultOptions = having(
  {
    env: optional(mapOf(text)),
    unsetEnv: optional(texts),
    unsetLabels: optional(texts),
    squash: optional(oneOf('new', 'all')),
    omitHistory: optional(flag),
  },
  'only',
);

/** Of DockerfileRequest, and of what is made from it. */
const REQUEST: Members = {
  file: optional(text),
  dockerfileText: optional(anyText),
  ignoreFile: optional(text),
  firstImage: optional(text),
  contexts: optional(mapOf(text)),
  target: optional(text),
  buildArgs: optional(mapOf(anyText)),
  labels: optional(mapOf(anyText)),
  network: optional(oneOf('default', 'none', 'host')),
  resources: optional(resources),
  allowed: optional(listOf(oneOf('security.insecure', 'network.host'))),
  result: optional(resultOptions),
  pull: optional(oneOf('always', 'missing', 'newer', 'never')),
  lock: optional(oneOf('use', 'locked', 'ignore')),
  lockFile: optional(having({ file: text, text: anyText, lock: anObject })),
  hermetic: optional(flag),
  requireSigned: optional(listOf(having({ prefix: text, keys: listOf(anObject) }))),
  registry: optional(anObject),
  environment: optional(mapOf(optional(text))),
  sshAgent: optional(call),
  input: optional(call),
  signal: optional(signal),
};

/** Of a request that is built. */
export const BUILD: Members = {
  ...REQUEST,
  platforms: optional(texts),
  names: optional(texts),
  keep: optional(flag),
  outputs: optional(flag),
  noCache: optional(either(flag, texts)),
  cacheFrom: optional(texts),
  cacheTo: optional(texts),
  trustKeys: optional(texts),
  secret: optional(call),
  jobs: optional(count),
  inSlot: optional(call),
  isolation: optional(oneOf('namespaces', 'chroot')),
  runtime: optional(text),
  privateNetwork: optional(flag),
  limits: optional(limits),
  executor: optional(call),
  timestamp: optional(amount),
  rewriteTimestamp: optional(flag),
  onEvent: optional(call),
  explain: optional(flag),
  onInput: optional(call),
};

export const onePlatform = having({ context: text, platform: optional(text), ...REQUEST });
export const built = having({ context: text, ...BUILD });
export const locked = having({ context: text, ...REQUEST, platforms: optional(texts) });
export const subject = having({
  platform: optional(text),
  registry: optional(anObject),
  environment: optional(anObject),
});
const filter = having(
  {
    text: optional(text),
    olderThan: optional(amount),
    newerThan: optional(amount),
    unusedFor: optional(amount),
    largerThan: optional(amount),
    smallerThan: optional(amount),
  },
  'only',
);
/** A misspelt member would remove what it was meant to keep. */
export const pruned = having(
  { keepBytes: optional(amount), filter, mountsUnusedFor: optional(amount) },
  'only',
);
