/** How this program speaks to the person who started it. */

/** One line on stderr: local time, then the text. */
export function say(text: string): void {
  process.stderr.write(`${timestamp(new Date())}: ${text}\n`);
}

/** What to tell about an error: its message when we made it for people, everything when it is a surprise. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isForPeople = error.name === 'ConfigError' || error.name === 'HostError';
  return isForPeople ? error.message : (error.stack ?? error.message);
}

function timestamp(now: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
  return `${day} ${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}`;
}
