/** Types of `diagnostic-registry.mjs`. */
export interface RegistryMessage {
  readonly functionName: string;
  readonly message: string;
  readonly placeholders: readonly string[];
}

export interface RegistryExample {
  readonly text: string;
  /** Companion files by the path that the example imports them by. */
  readonly files: Readonly<Record<string, string>>;
}

export interface RegistrySection {
  readonly code: string;
  readonly name: string;
  readonly severity: 'error' | 'warning';
  readonly messages: readonly RegistryMessage[];
  readonly wrong: readonly RegistryExample[];
  readonly right: readonly RegistryExample[];
  readonly markdown: string;
}

/** Reads the registry. Throws an error that names the line of the first mistake in it. */
export const readRegistry: (text: string) => readonly RegistrySection[];
