/** The CPUs that this process may use. */
import { readFileSync } from 'node:fs';

/** Numbers of a list such as `0-2,4` (cpuset(7), "List format"). */
export function parseCpuList(list: string): number[] {
  return list.split(',').flatMap((part) => {
    const [, from, to = from] = /^\s*(\d+)(?:-(\d+))?\s*$/.exec(part) ?? [];
    if (from === undefined) return [];
    return Array.from({ length: Number(to) - Number(from) + 1 }, (_, at) => Number(from) + at);
  });
}

/** Their numbers; a program that is started may use as many (proc(5), "Cpus_allowed_list"). */
export function ownCpus(): number[] {
  const status = readFileSync('/proc/self/status', 'latin1');
  return parseCpuList(/^Cpus_allowed_list:(.*)$/m.exec(status)?.[1] ?? '');
}
