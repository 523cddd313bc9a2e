/** What goes into a step's key, in words: a name and a value each. Pure. */
import type { StepInputs } from '../keys/inputs.js';
import { DEFAULT_SHM_BYTES } from '../plan/plan.js';
import type { Json } from '../util/canonical-json.js';

type Described = readonly [name: string, value: string];

/** What people call some of them. */
const NAMES: Readonly<Record<string, string>> = { argv: 'program', fromStep: 'from a step' };

/** What says nothing, because it is so for nearly every step. */
const USUAL: Readonly<Record<string, Json>> = {
  network: 'default',
  security: 'sandbox',
  unpack: 'never',
  shmSize: DEFAULT_SHM_BYTES,
};

function isEmpty(value: Json | undefined): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return value === null || value === undefined || value === '' || value === false;
}

function getText(value: Json): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return value.map(getText).join(' ');
  if (value === true) return 'yes';
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .filter(([, each]) => !isEmpty(each))
    .map(([name, each]) => `${name}=${getText(each ?? null)}`)
    .join(',');
}

const asObject = (value: Json) => value as { readonly [name: string]: Json };

function describe(name: string, value: Json | undefined): Described[] {
  if (value === undefined || isEmpty(value) || USUAL[name] === value) return [];
  if (name === 'env')
    return Object.entries(asObject(value)).map(([each, text]) => [
      `env ${each}`,
      getText(text ?? null),
    ]);
  if (name === 'resources')
    return Object.entries(asObject(value)).flatMap(([each, of]) => describe(each, of));
  if (name === 'mounts' && Array.isArray(value))
    return value.map((mount) => ['mount', getText(mount)]);
  if (name === 'inline' && Array.isArray(value))
    return value.map((file) => [
      `file ${getText(asObject(file).name ?? '')}`,
      getText(asObject(file).content ?? ''),
    ]);
  return [[NAMES[name] ?? name, getText(value)]];
}

/** The operands of a step that change what it makes, without those that are as usual. */
export function describeOperands(operands: StepInputs['operands']): Described[] {
  return Object.entries(operands).flatMap(([name, value]) => describe(name, value));
}
