/**
 * What people should know about commands beyond the line that each has. It stands here so that the entries of the
 * registry stay easy to survey; `commands.ts` puts it there.
 */
export const MORE: Readonly<Record<string, string>> = {
  server: `Servers are numbered from 0 on; a number beyond the last makes new ones, with unused ones between. \`max\` is the
number of connections beyond which it gets no new clients, \`hard\` the same for clients that had it before; 0 is no
limit. \`address\` keeps the port. \`blacklist\` passes the server over for so many seconds; 0 uses it again at once.
Connections that are there stay.`,
  roundrobin: `New connections go to the servers in turn, whoever they come from. With \`hash\`, the client's port counts, too.`,
  prio: `It goes before \`leastconn\`, \`weight\` and \`hash\`. Of servers with the same prio the first is chosen.`,
  weight: `A server without a weight is not chosen, but still used when others fail.`,
  blacklist: `A connect that succeeds ends it at once.`,
  emergency: `It is used when no other server can be reached, and no client is remembered as its.`,
  abuse: `It gets the clients that \`client_acl\` denies; without it they are closed.`,
  tracking: `They are counted from the client's last connection on.`,
  clients_max: `When all places are in use, the client that was away longest is forgotten.`,
  acl: `The first entry that fits decides. When none does, the opposite of what the last entry says holds; an empty list
permits all. List 0 is that of clients, of the control port and of each server, unless they are given another one.`,
  client_acl: `Who is denied gets the abuse server, or is closed.`,
  source_max: `More connections of the same address wait, unread, until one of them ends. Those that \`trusted_acl\` permits are
not bound.`,
  conn_max: `Further clients wait in the backlog until a place is free.`,
  pending_max: `Further clients wait in the backlog.`,
  tcp_nodelay: `Connections that are there keep what they have.`,
  keepalive: `Connections of clients always are. Those that are there keep what they have.`,
  backlog: `The system may have a lower limit of its own. It can be changed at any time.`,
  workers: `While Pen runs, the answer is the number in force, and another one is refused.`,
  timeout: `The client is given another server then, and this one is passed over for the time of \`blacklist\`.`,
  idle_timeout: `Whoever reads is not idle, however slow.`,
  tcp_fastclose: `\`up\` is the server's, \`down\` the client's, \`both\` either. What was received before is delivered first.`,
  listen: `What cannot be opened changes nothing. Port 0 is one that the system chooses.`,
  farm: `What is said behind the name is said of that farm, which is made by it. It begins with nothing: it inherits neither
servers nor settings. \`farm NAME\` alone on a line of a file begins a block: all lines up to the next such line, or to
the end of the file, are about that farm. Access lists are there for all farms. \`no farm\` closes its listeners; its
connections go on to their end.`,
  farms: `The one without a name comes first.`,
  abort_on_error: `The system keeps a core only where it is told to, as by \`ulimit -c unlimited\`.`,
};
