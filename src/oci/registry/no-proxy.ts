/** NO_PROXY, as curl and Go programs read it. */
import { BlockList, isIP } from 'node:net';

const familyOf = (address: string) => (isIP(address) === 4 ? 'ipv4' : 'ipv6');

/** `NAME`, `NAME:PORT`, `[IPV6]:PORT`; an IPv6 address without brackets has no port. */
function splitPort(pattern: string): { name: string; port: string | undefined } {
  if (pattern.includes('/') || isIP(pattern) === 6) return { name: pattern, port: undefined };
  const found = /^(.*?)(?::(\d+))?$/.exec(pattern);
  const name = (found?.[1] ?? pattern).replace(/^\*?\./, '').replace(/^\[(.*)\]$/, '$1');
  return { name, port: found?.[2] };
}

/** @param range an address, or many: `10.0.0.0/8` */
function hasAddress(range: string, address: string): boolean {
  const [network = '', bits] = range.split('/');
  const most = { 0: undefined, 4: 32, 6: 128 }[isIP(network)];
  if (most === undefined || isIP(address) === 0) return false;
  const prefix = bits === undefined ? most : /^\d+$/.test(bits) ? Number(bits) : most + 1;
  if (prefix > most) return false;
  const list = new BlockList();
  list.addSubnet(network, prefix, familyOf(network));
  return list.check(address, familyOf(address));
}

/** Whether it has the host: `*`, a domain (with all below it), an address, many of them, each also with a port. */
export function isExcluded(url: URL, noProxy: string): boolean {
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return noProxy
    .split(/[\s,]+/)
    .filter((pattern) => pattern !== '')
    .some((pattern) => {
      if (pattern === '*') return true;
      const { name, port: wantedPort } = splitPort(pattern.toLowerCase());
      if (wantedPort !== undefined && wantedPort !== port) return false;
      return host === name || host.endsWith(`.${name}`) || hasAddress(name, host);
    });
}
