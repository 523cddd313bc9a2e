/** Network namespaces joined by cables (ip-netns(8), veth(4)); removed whatever happens. */
import { existsSync } from 'node:fs';
import { execa } from 'execa';

const PREFIX = 'wiac-test-';

/** One end of a cable is in the hub, the other one in a namespace of its own. */
export interface Hub {
  /** Name of the hub's namespace. */
  readonly name: string;
  /** Adds a namespace that sees the hub and nothing else. */
  readonly add: () => Promise<Spoke>;
}

/** A namespace at the end of a cable. */
export interface Spoke {
  readonly name: string;
  /** Address of the hub at the other end. */
  readonly hubAddress: string;
}

async function ip(...args: string[]): Promise<string> {
  return (await execa('ip', args)).stdout;
}

async function remove(name: string): Promise<void> {
  await execa('ip', ['netns', 'del', name], { reject: false });
}

/** Namespaces of test runs that were killed before they could remove them. */
async function sweep(): Promise<void> {
  for (const line of (await ip('netns', 'list')).split('\n')) {
    const [name = ''] = line.split(' ');
    const pid = name.startsWith(PREFIX) ? name.slice(PREFIX.length).split('-')[0] : undefined;
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) await remove(name);
  }
}

/** Runs an action with a hub and removes all of its namespaces. */
export async function withHub(action: (hub: Hub) => Promise<void>): Promise<void> {
  await sweep();
  const made: string[] = [];
  const make = async (): Promise<string> => {
    const name = `${PREFIX}${process.pid}-${made.length}`;
    made.push(name);
    await ip('netns', 'add', name);
    await ip('-n', name, 'link', 'set', 'lo', 'up');
    return name;
  };
  try {
    const name = await make();
    const add = async (): Promise<Spoke> => {
      const spoke = await make();
      const number = made.length;
      const hubAddress = `10.77.${number}.1`;
      const cable = `veth${number}`;
      await ip('-n', name, 'link', 'add', cable, 'type', 'veth', 'peer', 'eth0', 'netns', spoke);
      await ip('-n', name, 'address', 'add', `${hubAddress}/24`, 'dev', cable);
      await ip('-n', spoke, 'address', 'add', `10.77.${number}.2/24`, 'dev', 'eth0');
      await ip('-n', name, 'link', 'set', cable, 'up');
      await ip('-n', spoke, 'link', 'set', 'eth0', 'up');
      return { name: spoke, hubAddress };
    };
    await action({ name, add });
  } finally {
    for (const name of made) await remove(name);
  }
}
