/** ExposeProtoCasing and ExposeInvalidFormat. */
import type { Finding } from './rules.js';
import type { Visit } from './walk.js';

/** None means tcp. */
const PROTOCOLS = ['', 'tcp', 'udp', 'sctp'];

/** Ports of EXPOSE. The build refuses values that are no port. */
export function exposedPorts({ instruction, location, expand }: Visit): Finding[] {
  if (instruction.kind !== 'expose') return [];
  const ports = instruction.values.flatMap((value) => expand(value)?.words ?? []);
  return ports.flatMap((port): Finding[] => {
    const colon = port.lastIndexOf(':');
    const slash = port.indexOf('/', colon + 1);
    const protocol = slash < 0 ? '' : port.slice(slash + 1);
    const isPort = slash !== colon + 1 && colon + 1 < port.length;
    if (!isPort || !PROTOCOLS.includes(protocol.toLowerCase())) return [];
    const findings: Finding[] = [];
    if (protocol !== protocol.toLowerCase()) {
      const detail = `Protocol '${protocol}' of '${port}' is not in lower case`;
      findings.push({ rule: 'ExposeProtoCasing', detail, location });
    }
    if (/[^:]/.test(port.slice(0, Math.max(colon, 0)))) {
      const detail = `'${port}' has an IP address or a port of the host: EXPOSE takes ports of the container`;
      findings.push({ rule: 'ExposeInvalidFormat', detail, location });
    }
    return findings;
  });
}
