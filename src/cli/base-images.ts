/** Finds out which images a Dockerfile needs, and resolves them before it is compiled for good. */
import type { Dockerfile } from '../dockerfile/ast.js';
import type { BaseImage } from '../image/base-image.js';
import { baseImage } from '../image/base-image.js';
import type { ImageSource, ResolvedImage } from '../oci/image.js';
import { parsePlatform } from '../oci/platform.js';
import { compile } from '../plan/compile.js';
import type { Plan, PlanOptions } from '../plan/plan.js';

/** A plan with the images it is based on. */
export interface PlanWithImages {
  readonly plan: Plan;
  /** By reference. */
  readonly images: ReadonlyMap<string, ResolvedImage>;
  readonly close: () => Promise<void>;
}

/** Stands for an image whose config is not known yet. */
function placeholder(reference: string): BaseImage {
  return { reference, digest: '', config: { Env: [], WorkingDir: '/' }, history: [] };
}

/**
 * Compiles again and again, until every image that the plan asks for is known: which ones those
 * are can depend on the triggers (ONBUILD) of the ones before.
 * @throws what compile throws, and ImageError
 */
export async function planWithImages(
  dockerfile: Dockerfile,
  options: Omit<PlanOptions, 'image'>,
): Promise<PlanWithImages> {
  const images = new Map<string, ResolvedImage>();
  const sources: ImageSource[] = [];
  const close = async () => {
    await Promise.all(sources.map((source) => source.close()));
  };
  try {
    for (;;) {
      const missing = new Set<string>();
      const image = (reference: string) => {
        const known = images.get(reference);
        if (!known) missing.add(reference);
        return known ? baseImage(reference, known) : placeholder(reference);
      };
      let plan: Plan | undefined;
      let failure: unknown;
      try {
        plan = compile(dockerfile, { ...options, image });
      } catch (error) {
        // With a config that is not known yet an error may mean nothing.
        failure = error;
      }
      if (missing.size === 0) {
        if (plan) return { plan, images, close };
        throw failure;
      }
      // The registry client is loaded only by Dockerfiles that are based on an image.
      const { openImageSource } = await import('../image/image-source.js');
      for (const reference of missing) {
        const source = openImageSource(reference);
        sources.push(source);
        images.set(reference, await source.resolve(parsePlatform(options.platform)));
      }
    }
  } catch (error) {
    await close();
    throw error;
  }
}
