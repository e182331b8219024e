/** penctl: its exit codes and what it prints. */
import { penctl, unlike, type Script } from '../script.ts';

const LONG = 'x'.repeat(1009);

export const PENCTL: readonly Script[] = [
  {
    id: 'P-replies',
    says: 'penctl prints the reply and succeeds',
    steps: [
      penctl(['{control}', 'mode'], 'exit 0, prints "no hash no roundrobin no stubborn no weight no prio\\n"'),
      penctl(['{control}', 'blacklist', '7'], 'exit 0, prints "7\\n"'),
      penctl(['{control}', 'server', '0', 'max', '3'], 'exit 0'),
      penctl(['{control}', 'server 0', 'hard 4'], 'exit 0'),
      penctl(
        ['{control}', 'servers'],
        'exit 0, prints "0 addr {host} port 20001 conn 0 max 3 hard 4 weight 0 prio 0 sx 0 rx 0\\n1 addr {host} port 20002 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0\\n"',
      ),
      penctl(['{control}', 'nonsense'], `exit 0, prints "do_cmd: ignoring command starting with 'nonsense'\\n"`),
      penctl(['{control}', ''], 'exit 0'),
      penctl(['{control}', 'exit'], 'exit 0, prints "Exit is not enabled; restart with -X flag\\n"'),
      penctl(['{control}', `debug`, LONG], 'exit 0, prints "0\\n"'),
    ],
  },
  {
    id: 'P-usage',
    says: 'penctl without what it needs',
    steps: [penctl([], 'exit 0, usage'), penctl(['{control}'], 'exit 0, usage')],
  },
  {
    id: 'P-errors',
    says: 'penctl that reaches nobody',
    steps: [
      penctl(['{host}:20999', 'mode'], 'exit 1, complains'),
      penctl(['{dir}/nosuch.sock', 'mode'], 'exit 1, complains'),
      penctl(['nosuch.invalid:20200', 'mode'], 'exit 1, complains'),
      penctl(['20200', 'mode'], 'exit 1, complains'),
      penctl(['{host}:nosuch', 'mode'], 'exit 1, complains'),
    ],
  },
  {
    id: 'P-long',
    says: 'penctl with a line too long for the original',
    steps: [
      penctl(
        ['{control}', 'mode', 'x'.repeat(1100)],
        'exit 1, complains',
        unlike('penctl-long', 'exit 0, prints "no hash no roundrobin no stubborn no weight no prio\\n"'),
      ),
    ],
  },
];
