/** Functions on paths, and on networks. */
import { isIP } from 'node:net';
import { posix } from 'node:path';
import { CallError } from '../evaluate.js';
import type { Functions } from './arguments-of-call.js';
import { fn } from './arguments-of-call.js';

/** A network of either version: its first address, and how many bits are fixed. */
interface Network {
  readonly address: bigint;
  readonly bits: number;
  /** 32 or 128. */
  readonly width: number;
}

/** The groups of an IPv6 address, with those that :: stands for. */
function ipv6Groups(text: string): number[] {
  const groups = (part: string) =>
    part === ''
      ? []
      : part.split(':').flatMap((group) => {
          if (!group.includes('.')) return [Number.parseInt(group, 16)];
          const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
          return [a * 256 + b, c * 256 + d];
        });
  const [before = '', after] = text.split('::');
  const head = groups(before);
  const tail = groups(after ?? '');
  return [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail];
}

function parseNetwork(text: string): Network {
  const [address = '', length = ''] = text.split('/');
  const version = isIP(address);
  const width = version === 6 ? 128 : 32;
  const bits = Number(length);
  if (version === 0 || !/^\d+$/.test(length) || bits > width)
    throw new CallError(`${text} is no network like 10.0.0.0/8`);
  const [parts, size] =
    version === 4 ? [address.split('.').map(Number), 8n] : [ipv6Groups(address), 16n];
  const whole = parts.reduce((sum, part) => (sum << size) + BigInt(part), 0n);
  const host = BigInt(width - bits);
  return { address: (whole >> host) << host, bits, width };
}

function formatAddress(address: bigint, width: number): string {
  if (width === 32)
    return [24n, 16n, 8n, 0n].map((shift) => Number((address >> shift) & 0xffn)).join('.');
  const groups = Array.from({ length: 8 }, (_, at) =>
    Number((address >> BigInt(112 - 16 * at)) & 0xffffn).toString(16),
  );
  // The longest run of zeros is ::, if it is of more than one.
  const runs = [...groups.join(':').matchAll(/(?<![0-9a-f])0(?::0(?![0-9a-f]))+/g)];
  const [longest] = runs.sort((a, b) => b[0].length - a[0].length);
  const text = groups.join(':');
  if (!longest) return text;
  const before = text.slice(0, longest.index).replace(/:$/, '');
  const after = text.slice(longest.index + longest[0].length).replace(/^:/, '');
  return `${before}::${after}`;
}

function hostOf({ address, bits, width }: Network, number: number): string {
  const size = 1n << BigInt(width - bits);
  const at = BigInt(number);
  if (at >= size || -at > size) throw new CallError(`the network has no host ${number}`);
  return formatAddress(address + (at < 0n ? size + at : at), width);
}

function subnetOf({ address, bits, width }: Network, more: number, number: number): string {
  const length = bits + more;
  if (more < 0 || length > width)
    throw new CallError(`a network of ${bits} bits has no ${more} more`);
  if (number < 0 || BigInt(number) >= 1n << BigInt(more))
    throw new CallError(`${more} bits have no number ${number}`);
  return `${formatAddress(address + (BigInt(number) << BigInt(width - length)), width)}/${length}`;
}

/** One network behind the other. */
function subnetsOf(network: Network, lengths: readonly number[]): string[] {
  const { address, bits, width } = network;
  let next = address;
  return lengths.map((more) => {
    const length = bits + more;
    if (more < 1 || length > width) throw new CallError(`a network has no ${more} bits more`);
    const size = 1n << BigInt(width - length);
    next = ((next + size - 1n) / size) * size;
    if (next + size > address + (1n << BigInt(width - bits)))
      throw new CallError('they do not fit into the network');
    const text = `${formatAddress(next, width)}/${length}`;
    next += size;
    return text;
  });
}

/** @param home the directory that `homedir` gives */
export function pathFunctions(home: string | undefined): Functions {
  return {
    basename: fn(1, ({ text }) => posix.basename(text(0)) || (text(0) === '' ? '.' : '/')),
    dirname: fn(1, ({ text }) => posix.dirname(text(0))),
    homedir: fn(0, () => {
      if (home === undefined) throw new CallError('$HOME is not set');
      return home;
    }),
    cidrhost: fn(2, ({ text, integer }) => hostOf(parseNetwork(text(0)), integer(1))),
    cidrnetmask: fn(1, ({ text }) => {
      const { bits, width } = parseNetwork(text(0));
      if (width !== 32) throw new CallError('only networks of IPv4 have a mask');
      return formatAddress(((1n << BigInt(bits)) - 1n) << BigInt(32 - bits), 32);
    }),
    cidrsubnet: fn(3, ({ text, integer }) =>
      subnetOf(parseNetwork(text(0)), integer(1), integer(2)),
    ),
    cidrsubnets: fn(
      1,
      ({ all, text, integer }) =>
        subnetsOf(
          parseNetwork(text(0)),
          all.slice(1).map((_, at) => integer(at + 1)),
        ),
      Infinity,
    ),
  };
}
