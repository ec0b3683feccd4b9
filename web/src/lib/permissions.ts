/** Whether patterns such as `*:*`, `user:*` or `usage:read` grant `resource:action`. */
export function permits(patterns: readonly string[], permission: string): boolean {
  const [resource, action] = permission.split(':');
  return patterns.some((pattern) => {
    const [patternResource, patternAction] = pattern.split(':');
    return (
      (patternResource === '*' || patternResource === resource) &&
      (patternAction === '*' || patternAction === action)
    );
  });
}
