/** A run that failed for a reason that its user can do something about: the process ends with exit code 3. */
export class RunError extends Error {
  override readonly name = 'RunError';
}
