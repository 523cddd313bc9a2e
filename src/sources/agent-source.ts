/** What --ssh gives an id: an agent that runs, or key files for one of our own. */
export type AgentSource = { readonly socket: string } | { readonly keys: readonly string[] };
