/** Names that caches are recognised by; cache-format.md, "Shared cache". */

/** Media type of the entry list. */
export const CACHE_CONFIG = 'application/vnd.wiac.cache.entries.v1+json';
/** artifactType of the manifest. */
export const CACHE_ARTIFACT = 'application/vnd.wiac.cache.v1';
/** Annotation of the manifest: ed25519 signature over the bytes of the entry list, base64. */
export const SIGNATURE_ANNOTATION = 'dev.wiac.cache.signature';
