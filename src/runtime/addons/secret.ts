/** Secrets: known by the name of the environment variable that holds them, and read from there when they are needed. */
import { UsageError } from '../../values/overrides.js';

/** Written, printed or made JSON it is `env("NAME")`: its value is in no file and in no object. */
export interface Secret {
  readonly variable: string;
  /** The value. Throws a UsageError where the variable is not set or empty. */
  reveal(): string;
  toString(): string;
  toJSON(): string;
}

export function env(variable: string): Secret {
  const shown = `env(${JSON.stringify(variable)})`;
  return {
    variable,
    reveal: () => {
      const value = process.env[variable];
      if (value === undefined || value === '') {
        throw new UsageError(`the environment variable ${variable} is not set; set it where the run starts`);
      }
      return value;
    },
    toString: () => shown,
    toJSON: () => shown,
  };
}

export function isSecret(value: unknown): value is Secret {
  return typeof value === 'object' && value !== null && 'variable' in value && 'reveal' in value;
}
