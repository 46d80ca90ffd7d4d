/** Values that were read as JSON. */

/** A record of JSON. Throws where it is none. */
export function record(name: string, value: unknown): Readonly<Record<string, unknown>> {
  if (isRecord(value)) return value;
  throw new Error(`"${name}" must be an object, got ${JSON.stringify(value) ?? 'nothing'}`);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
