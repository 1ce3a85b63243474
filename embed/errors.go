package embed

import (
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/quorate/quorate/internal/dirlock"
	"github.com/quorate/quorate/internal/problem"
)

// What errors.Is finds in the errors of this package. Each of them travels in a
// *problem.Error that says what is wrong, why, and what to do next.
var (
	ErrConfig         = errors.New("configuration is refused")
	ErrStopped        = errors.New("member is stopped")
	ErrRestartProcess = errors.New("member died in this process")
	ErrDirInUse       = dirlock.ErrInUse
	ErrDir            = errors.New("data directory cannot be used")
	ErrDamaged        = errors.New("data is damaged")
	ErrOtherMember    = errors.New("data belongs to another member")
	ErrVersion        = errors.New("data is of a newer version")
	ErrPortInUse      = errors.New("address is in use")
	ErrSocket         = errors.New("socket path cannot be used")
	ErrAuthRefused    = errors.New("etcd's own users and roles are not supported")
	ErrRemoved        = errors.New("member was removed from the cluster")
	ErrFatal          = errors.New("member died")

	// ErrNoSpace means that a disk is full or nearly so. It wraps etcd's own
	// error for a full database, so that code which handles one handles both.
	ErrNoSpace = fmt.Errorf("no space: %w", rpctypes.ErrNoSpace)
)

// refuse builds the error a person sees.
func refuse(sentinel error, code, what, why, do string) error {
	return &problem.Error{
		Problem: problem.Problem{Code: code, What: what, Why: why, Do: do},
		Err:     sentinel,
	}
}

// causeError carries a problem, its sentinel, and the error underneath.
func refuseCause(sentinel, cause error, code, what, why, do string) error {
	return refuse(errors.Join(sentinel, cause), code, what, why, do)
}
