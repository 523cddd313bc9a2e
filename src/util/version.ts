/** The version of package.json; esbuild and jest put it in. */
import manifest from '../../package.json' with { type: 'json' };

export const VERSION: string = manifest.version;
