/**
 * The image config of a stage while its instructions are applied. Each adds to it what it changes:
 * to copy what is there would take quadratic time in a file with many of them.
 */
import type { ContainerConfig } from '../oci/image-config.js';

/** What instructions add to; everything else is replaced as a whole. */
type Collected = 'Env' | 'Labels' | 'ExposedPorts' | 'Volumes' | 'OnBuild';

/** The members that an instruction replaces. */
export type ConfigFields = Omit<ContainerConfig, Collected>;

type Pair = readonly [string, string];

/** A config that grows. */
export interface StageConfig {
  fields: ConfigFields;
  /** By name; a variable keeps its place when its value changes. */
  readonly env: Map<string, string>;
  readonly labels: Map<string, string>;
  readonly ports: Map<string, Record<string, never>>;
  readonly volumes: Map<string, Record<string, never>>;
  readonly triggers: string[];
}

/** What one instruction changes. */
export interface ConfigChange {
  /** In the place of the ones there are; a member that is undefined is removed. */
  readonly fields?: { readonly [K in keyof ConfigFields]?: ConfigFields[K] | undefined };
  readonly env?: readonly Pair[];
  readonly labels?: readonly Pair[];
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly trigger?: string;
}

/** A config to be added to. The caller carries out the triggers of ONBUILD. */
export function openConfig(config: ContainerConfig): StageConfig {
  const { Env, Labels, ExposedPorts, Volumes, OnBuild: _, ...fields } = config;
  const env = Env.map((item): Pair => {
    const at = item.indexOf('=');
    return at === -1 ? [item, ''] : [item.slice(0, at), item.slice(at + 1)];
  });
  return {
    fields,
    env: new Map(env),
    labels: new Map(Object.entries(Labels ?? {})),
    ports: new Map(Object.entries(ExposedPorts ?? {})),
    volumes: new Map(Object.entries(Volumes ?? {})),
    triggers: [],
  };
}

/** The same for a stage that goes on from another one. */
export function copyConfig(config: StageConfig): StageConfig {
  return {
    fields: config.fields,
    env: new Map(config.env),
    labels: new Map(config.labels),
    ports: new Map(config.ports),
    volumes: new Map(config.volumes),
    triggers: [],
  };
}

/** The fields after a change. */
export function changedFields(fields: ConfigFields, change: ConfigChange): ConfigFields {
  const changed = Object.entries({ ...fields, ...change.fields });
  return Object.fromEntries(
    changed.filter(([, value]) => value !== undefined),
  ) as unknown as ConfigFields;
}

/** What a config has for each port and volume. */
const NOTHING: Record<string, never> = Object.freeze({});

/** Applies a change. */
export function applyChange(config: StageConfig, change: ConfigChange): void {
  if (change.fields) config.fields = changedFields(config.fields, change);
  for (const [name, value] of change.env ?? []) config.env.set(name, value);
  for (const [name, value] of change.labels ?? []) config.labels.set(name, value);
  for (const port of change.ports ?? []) config.ports.set(port, NOTHING);
  for (const volume of change.volumes ?? []) config.volumes.set(volume, NOTHING);
  if (change.trigger !== undefined) config.triggers.push(change.trigger);
}

/** The config as an image has it. */
export function closeConfig(config: StageConfig): ContainerConfig {
  const { fields, env, labels, ports, volumes, triggers } = config;
  return {
    ...fields,
    Env: [...env].map(([name, value]) => `${name}=${value}`),
    ...(labels.size > 0 ? { Labels: Object.fromEntries(labels) } : {}),
    ...(ports.size > 0 ? { ExposedPorts: Object.fromEntries(ports) } : {}),
    ...(volumes.size > 0 ? { Volumes: Object.fromEntries(volumes) } : {}),
    ...(triggers.length > 0 ? { OnBuild: triggers } : {}),
  };
}

/** How much a copy of the config copies, for limits. */
export function configSize({ env, labels, ports, volumes, triggers }: StageConfig): number {
  return env.size + labels.size + ports.size + volumes.size + triggers.length;
}
