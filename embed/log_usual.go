package embed

import (
	"strings"

	"go.uber.org/zap/zapcore"
)

// usual are warnings and errors of etcd's about what is normal in a member like
// ours. They are logged as debug: a log that cries at every start and stop is
// not read when it matters. An entry stands here only if what goes wrong under
// the same words is seen elsewhere too.
var usual = map[string]string{
	"Running http and grpc server on single port. This is not recommended for production.": "one unix socket is what we want; its clients are few",
	"simple token is not cryptographically signed":                                         "auth is refused, so no token is ever made",
	"Failed to detect schema version":                                                      "a new database has no term yet",
	"failed to update storage version":                                                     "likewise; etcd tries again after the first snapshot",
	"setting up serving from embedded etcd failed.":                                        "said at every stop; a listener that fails ends the member, through Etcd.Err",
	"stopping insecure grpc server due to error":                                           "said at every stop, since the listener is closed first",
	"stopped insecure grpc server due to error":                                            "likewise",
	"failed to publish local member to cluster through raft":                               "no quorum, which Status says, or a stop",
	"stopped publish because server is stopping":                                           "it is, and was asked to",
}

// stillApplying ends a warning of raft's, whose beginning differs: a member that
// starts has not applied its first entries when its first election is due. If
// that lasts there is no quorum, which Status says.
const stillApplying = " since there are still pending configuration changes to apply"

// calm is the level of a message.
func calm(e zapcore.Entry) zapcore.Level {
	_, ok := usual[e.Message]
	if (ok || strings.HasSuffix(e.Message, stillApplying)) && (e.Level == zapcore.WarnLevel || e.Level == zapcore.ErrorLevel) {
		return zapcore.DebugLevel
	}
	return e.Level
}
