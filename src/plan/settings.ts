/** Environment, user and directory after each step of a plan. */
import type { StepSettings } from './plan.js';
import type { ConfigFields, StageConfig } from './stage-config.js';
import type { StepId } from './step.js';

/** What one step adds to the settings of the one below it. */
interface Change {
  readonly parent: StepId | undefined;
  readonly fields: ConfigFields;
  readonly env: readonly (readonly [string, string])[];
}

/** The changes of all steps: to keep the settings themselves would take quadratic memory. */
export interface SettingsLog {
  /** Notes what a stage begins with, unless that is another stage's end. */
  readonly begin: (step: StepId, config: StageConfig) => void;
  readonly add: (
    step: StepId,
    parent: StepId,
    fields: ConfigFields,
    env: readonly (readonly [string, string])[] | undefined,
  ) => void;
  readonly get: (step: StepId) => StepSettings;
}

export function settingsLog(): SettingsLog {
  const changes = new Map<StepId, Change>();
  return {
    begin: (step, { fields, env }) => {
      if (!changes.has(step)) changes.set(step, { parent: undefined, fields, env: [...env] });
    },
    add: (step, parent, fields, env = []) => {
      changes.set(step, { parent, fields, env });
    },
    get: (step) => {
      const found: Change[] = [];
      for (let at = changes.get(step); at; at = at.parent && changes.get(at.parent)) found.push(at);
      const { User: user = '', WorkingDir: workdir = '/' } = found[0]?.fields ?? {};
      const env = new Map(found.reverse().flatMap((change) => change.env));
      return { env: [...env], user, workdir: workdir || '/' };
    },
  };
}
