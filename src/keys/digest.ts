/**
 * Digests as branded strings, so that a path or a key of another kind can't be passed for one.
 * Everything here is SHA-256: these values decide what is correct and leave the machine.
 */

/** 64 lower-case hex digits: SHA-256 of a file's content. */
export type FileDigest = string & { readonly __brand: 'FileDigest' };
/** SHA-256 of an encoded tree node (see cache-format.md, "Trees"). */
export type TreeDigest = string & { readonly __brand: 'TreeDigest' };
/** SHA-256 of a step's inputs with its parents' keys: what the step is asked to do. */
export type DefinitionKey = string & { readonly __brand: 'DefinitionKey' };
/** SHA-256 of a step's inputs with what it really reads from its parents. */
export type ContentKey = string & { readonly __brand: 'ContentKey' };
/** SHA-256 of a step's operands alone: "the same instruction", whatever its files and parents. */
export type OperationDigest = string & { readonly __brand: 'OperationDigest' };
/** Digest of a layer's files, whiteouts included; equal digests mean interchangeable layers. */
export type LayerDigest = string & { readonly __brand: 'LayerDigest' };
